"""The data-quality flags of pixels and of samples."""

from __future__ import annotations

from collections.abc import Iterable

from docutils import nodes

from romancal_rs import dqflags

from .content import Generated, code, codes, table


class Flags(Generated):
    """The flags of one kind, ``pixel`` or ``group``, lowest bit first."""

    required_arguments = 1

    def content_nodes(self) -> Iterable[nodes.Node]:
        flags = getattr(dqflags, self.arguments[0])
        names: dict[int, list[str]] = {}
        for name, value in flags.items():
            names.setdefault(value, []).append(name)
        rows = []
        for value in sorted(names):
            flag = getattr(flags, names[value][0])
            rows.append((str(flag.bit_number), code(str(value)), codes(names[value]), flag.meaning))
        yield table(("bit", "value", "name", "meaning"), rows)
