"""What commands return to the shell."""

from __future__ import annotations

from collections.abc import Iterable

from docutils import nodes

from romancal_rs._exit_status import OF_COMMANDS, ExitStatus, of_command

from .commands import anchor
from .content import Generated, code, link, table


class ExitStatuses(Generated):
    """All that there are."""

    def content_nodes(self) -> Iterable[nodes.Node]:
        rows = [(code(str(int(status))), status.meaning) for status in ExitStatus]
        yield table(("status", "meaning"), rows)


class ExitStatusesOfCommands(Generated):
    """What they mean of the commands that have meanings of their own."""

    def content_nodes(self) -> Iterable[nodes.Node]:
        rows = [
            (link(anchor(command), command), code(str(int(status))), meaning)
            for command in OF_COMMANDS
            for status, meaning in of_command(command).items()
        ]
        yield table(("command", "status", "meaning"), rows)
