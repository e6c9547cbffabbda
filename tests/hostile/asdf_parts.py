"""An ASDF file taken apart, so that each part can be damaged, and put together again.

Nothing of the package is used: what reads and writes files there is what is tried here.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

# Those in C, which give the same, where PyYAML has them.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
MAGIC = b"\xd3BLK"
_SIZE = struct.Struct(">H")
_HEADER = struct.Struct(">I4sQQQ16s")
_TAG = "tag:stsci.edu:asdf/"
#: Where the fields of a block's header begin, from its magic on.
FIELDS = {"size of header": 4, "flags": 6, "compression": 10, "allocated": 14, "used": 22}
FIELDS |= {"data size": 30, "checksum": 38, "data": 54}


@dataclass
class Block:
    """A block; what its header says is worked out from its data, unless `lies` says otherwise."""

    data: bytes
    lies: dict[str, int | bytes] = field(default_factory=dict)

    def __bytes__(self) -> bytes:
        says = {"flags": 0, "compression": b"", "checksum": bytes(16), "header_size": _HEADER.size}
        says |= dict.fromkeys(("allocated", "used", "size"), len(self.data)) | self.lies
        names = ("flags", "compression", "allocated", "used", "size", "checksum")
        header = _HEADER.pack(*(says[name] for name in names))
        return MAGIC + _SIZE.pack(says["header_size"]) + header + self.data


class Asdf:
    """The head of a file as a tree of YAML nodes, and its blocks; it has no index of blocks.

    What is put in as `raw` goes into the text as it is, after all else.
    """

    def __init__(self, content: bytes) -> None:
        end = content.index(b"\n...\n") + len(b"\n...\n")
        self.start = content[: content.index(b"---")]
        self.tree: yaml.Node = yaml.compose(content[:end], LOADER)
        self.blocks: list[Block] = []
        self.end = b"...\n"
        self._raw: list[bytes] = []
        while content[end : end + 4] == MAGIC:
            (size,) = _SIZE.unpack_from(content, end + 4)
            flags, compression, allocated, used, *_ = _HEADER.unpack_from(content, end + 6)
            assert not flags
            assert not compression.strip(b"\0")
            begin = end + 6 + size
            self.blocks.append(Block(content[begin : begin + used]))
            end = begin + allocated

    @classmethod
    def read(cls, path: Path) -> Asdf:
        return cls(path.read_bytes())

    def __bytes__(self) -> bytes:
        text = yaml.serialize(
            self.tree, Dumper=DUMPER, explicit_start=True, tags={"!": _TAG}, width=4096
        )
        head = text[text.index("---") :].encode()
        for i, raw in enumerate(self._raw):
            head = head.replace(b"RAW%dRAW" % i, raw)
        return self.start + head + self.end + b"".join(map(bytes, self.blocks))

    # --- the head

    def node(self, dotted: str) -> yaml.Node:
        node = self.tree
        for name in dotted.split(".") if dotted else ():
            node = next(value for key, value in node.value if key.value == name)
        return node

    def has(self, dotted: str) -> bool:
        try:
            self.node(dotted)
        except StopIteration:
            return False
        return True

    def set(self, dotted: str, text: str) -> Asdf:
        """Gives a key another value, a piece of YAML; a key that is not there is added."""
        head = f"%YAML 1.1\n%TAG ! {_TAG}\n--- {text}\n"
        return self._put(dotted, yaml.compose(head, LOADER))

    def raw(self, dotted: str, text: bytes) -> Asdf:
        """Gives a key a value that only shows in the text of the file."""
        self._raw.append(text)
        name = f"RAW{len(self._raw) - 1}RAW"
        return self._put(dotted, yaml.ScalarNode("tag:yaml.org,2002:str", name))

    def again(self, dotted: str, text: str) -> Asdf:
        """Has a key a second time, with another value."""
        parent, _, name = dotted.rpartition(".")
        value = yaml.compose(text, LOADER)
        self.node(parent).value.append((yaml.ScalarNode("tag:yaml.org,2002:str", name), value))
        return self

    def remove(self, dotted: str) -> Asdf:
        parent, _, name = dotted.rpartition(".")
        node = self.node(parent)
        node.value = [(key, value) for key, value in node.value if key.value != name]
        return self

    def _put(self, dotted: str, value: yaml.Node) -> Asdf:
        parent, _, name = dotted.rpartition(".")
        pairs = self.node(parent).value
        for i, (key, _) in enumerate(pairs):
            if key.value == name:
                pairs[i] = (key, value)
                return self
        pairs.append((yaml.ScalarNode("tag:yaml.org,2002:str", name), value))
        return self

    # --- the arrays

    def block_of(self, dotted: str) -> Block:
        return self.blocks[int(self.node(f"{dotted}.source").value)]

    def array(self, dotted: str) -> np.ndarray:
        kind = np.dtype(self.node(f"{dotted}.datatype").value).newbyteorder("<")
        shape = [int(item.value) for item in self.node(f"{dotted}.shape").value]
        return np.frombuffer(self.block_of(dotted).data, kind, math.prod(shape)).reshape(shape)

    def put_array(self, dotted: str, array: np.ndarray) -> Asdf:
        """Another array, stated as it is: type, byte order and shape."""
        block = self.block_of(dotted)
        block.data = np.ascontiguousarray(array).tobytes()
        self.set(f"{dotted}.datatype", array.dtype.newbyteorder("=").name)
        self.set(f"{dotted}.byteorder", "big" if array.dtype.str[0] == ">" else "little")
        return self.set(f"{dotted}.shape", str(list(array.shape)))


def positions(content: bytes) -> dict[str, int]:
    """Where the parts of a file begin, by what they are."""
    end = content.index(b"\n...\n") + 1
    found = {
        "first byte": 0,
        "within the magic": 3,
        "after the magic": 5,
        "after the first line": content.index(b"\n") + 1,
        "before the tree": content.index(b"---"),
        "after ---": content.index(b"---") + 3,
        "middle of the tree": end // 2,
        "before the end of the tree": end,
        "within the end of the tree": end + 2,
        "after the end of the tree": end + 4,
    }
    number, at = 0, content.index(MAGIC)
    while content[at : at + 4] == MAGIC:
        found[f"block {number}, magic"] = at
        found[f"block {number}, within the magic"] = at + 2
        for name, offset in FIELDS.items():
            found[f"block {number}, {name}"] = at + offset
        allocated, used = struct.unpack_from(">QQ", content, at + FIELDS["allocated"])
        (size,) = _SIZE.unpack_from(content, at + 4)
        found[f"block {number}, middle of the data"] = at + 6 + size + used // 2
        found[f"block {number}, last byte"] = at + 6 + size + allocated - 1
        at += 6 + size + allocated
        number += 1
    found["index of the blocks"] = at
    found["middle of the index"] = (at + len(content)) // 2
    found["last byte"] = len(content) - 1
    return found
