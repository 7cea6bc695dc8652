"""Reads an object out of Kubernetes' protobuf envelope.

A body begins with four fixed bytes; then comes a message that names apiVersion and kind and holds
the object's own bytes. Protobuf sends numbers instead of names, so the fields' names come from a
table made out of kubectl (`generate.py`). What must hold: the result is what the same client would
have sent as JSON. So zero values vanish where JSON leaves them out, an embedded struct, which is a
message of its own here, becomes part of its parent, and unknown numbers are passed over.

In Kubernetes: apimachinery/pkg/runtime/serializer/protobuf and the generated Unmarshal methods.
Left out: writing it, since every client that sends protobuf takes JSON for an answer.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

PREFIX = b"k8s\x00"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
DEEPEST = 100
# Options may be sent in the name of any group; all are one message.
EVERYWHERE = {"DeleteOptions": "meta.v1.DeleteOptions", "Status": "meta.v1.Status"}


class WireError(ValueError):
    """Raised for bytes that are no such message."""


class Field(NamedTuple):
    """A field of a message: its JSON name, the word for its type, and whether zero means absent."""

    name: str
    type: str
    omitted: bool


@cache
def messages() -> dict[str, dict[int, Field]]:
    """All messages by name, with their fields by number; a constant of the process."""
    packed = Path(__file__).with_name("messages.json.z").read_bytes()
    table = json.loads(zlib.decompress(packed))
    return {
        name: {int(number): Field(*row) for number, row in fields.items()}
        for name, fields in table.items()
    }


def message_of(group: str, version: str, kind: str) -> str:
    """The name of a kind's message: `core.v1.Pod`, `apps.v1.Deployment`."""
    return f"{group.partition('.')[0] or 'core'}.{version}.{kind}"


def fields_of(message: str) -> Iterator[Field]:
    """The fields of a message by number, those of embedded structs among them."""
    for _, field in sorted(messages().get(message, {}).items()):
        if field.name:
            yield field
        else:
            yield from fields_of(field.type)


def read(body: bytes) -> dict[str, Any]:
    """The object of a body, with apiVersion and kind. Raises WireError."""
    if not body:
        raise WireError("empty data")
    if not body.startswith(PREFIX):
        raise WireError(
            "provided data does not appear to be a protobuf message, expected prefix "
            f"[{' '.join(str(byte) for byte in PREFIX)}]"
        )
    api_version = kind = ""
    raw = b""
    for number, wire_type, value in parts(body[len(PREFIX) :]):
        if number == 1 and wire_type == BYTES:
            names = {n: _text(v) for n, w, v in parts(value) if w == BYTES}
            api_version, kind = names.get(1, ""), names.get(2, "")
        elif number == 2 and wire_type == BYTES:
            raw = value
    group, _, version = api_version.rpartition("/")
    name = EVERYWHERE.get(kind, message_of(group, version, kind))
    if name not in messages():
        raise WireError(f'no kind "{kind}" is registered for version "{api_version}"')
    return {"apiVersion": api_version, "kind": kind, **message(name, raw)}


def parts(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """The fields of a message in their order: number, wire type, and an int or bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            value: Any
            value, at = _varint(data, at)
        else:
            if wire_type == BYTES:
                length, at = _varint(data, at)
            elif wire_type in (FIXED32, FIXED64):
                length = 4 if wire_type == FIXED32 else 8
            else:
                raise WireError(f"proto: illegal wireType {wire_type}")
            if at + length > len(data):
                raise WireError("unexpected EOF")
            value, at = data[at : at + length], at + length
        yield number, wire_type, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise WireError("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift >= 64:
            raise WireError("proto: integer overflow")


def message(name: str, data: bytes, depth: int = 0) -> dict[str, Any]:
    """A message as JSON values."""
    if depth > DEEPEST:
        raise WireError("exceeded max depth")
    fields = messages()[name]
    out: dict[str, Any] = {}
    for number, wire_type, value in parts(data):
        field = fields.get(number)
        if field is None:
            continue
        word = field.type
        if word.startswith("[]"):
            out.setdefault(field.name, []).append(_value(word[2:], wire_type, value, depth))
        elif word.startswith("{}"):
            key, item = _entry(word[2:], value, depth)
            out.setdefault(field.name, {})[key] = item
        else:
            found = _value(word, wire_type, value, depth)
            if not field.name:
                out.update(found)
            elif found is not None and (found or not field.omitted):
                out[field.name] = found
    return out


def _entry(word: str, data: Any, depth: int) -> tuple[str, Any]:
    """One entry of a map; a key or value that is not there is a zero."""
    if not isinstance(data, bytes):
        raise WireError("proto: wrong wireType for a map")
    key, item = "", _value(word, BYTES, b"", depth) if word not in ("bool", "int") else 0
    for number, wire_type, value in parts(data):
        if number == 1:
            key = _text(value)
        elif number == 2:
            item = _value(word, wire_type, value, depth)
    return key, item


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        raise WireError("proto: wrong wireType for a string")
    return value.decode("utf-8", "replace")


def _value(word: str, wire_type: int, value: Any, depth: int) -> Any:
    """One value by the word for its type; None for what JSON would not have."""
    if word == "int" and wire_type == VARINT:
        return value - (1 << 64) if value >> 63 else value
    if word == "bool" and wire_type == VARINT:
        return bool(value)
    if word == "double" and wire_type == FIXED64:
        return struct.unpack("<d", value)[0]
    if not isinstance(value, bytes) or word in ("int", "bool", "double"):
        raise WireError(f"proto: wrong wireType = {wire_type} for a field of type {word}")
    if word == "string":
        return _text(value)
    if word == "bytes":
        return base64.b64encode(value).decode()
    if "." in word:
        return message(word, value, depth + 1)
    return _special(word, {number: item for number, _, item in parts(value)}, value)


def _special(word: str, found: dict[int, Any], data: bytes) -> Any:
    """Types with a form of their own."""
    if word in ("time", "microtime"):
        return _moment(found, word == "microtime") if found else None
    if word == "duration":
        return f"{_signed(found.get(1, 0)) / 1e9:g}s"
    if word == "quantity":
        return _text(found.get(1, b""))
    if word == "intorstring":
        return _text(found.get(3, b"")) if found.get(1) else _signed(found.get(2, 0))
    if word == "strings":
        return [_text(item) for number, _, item in parts(data) if number == 1]
    if word == "raw":
        try:
            return json.loads(found.get(1) or b"null")
        except (ValueError, RecursionError):
            raise WireError("a raw value is no JSON") from None
    raise WireError(f"no form for {word}")


def _signed(value: Any) -> int:
    if not isinstance(value, int):
        raise WireError("proto: wrong wireType for a number")
    return value - (1 << 64) if value >> 63 else value


def _moment(found: dict[int, Any], micro: bool) -> str | None:
    """A time as RFC 3339; seconds before year 1 or after 9999 are no time."""
    from kubelab.sim.kernel import SECOND, micro_timestamp, timestamp

    seconds = _signed(found.get(1, 0))
    if not -62135596800 <= seconds < 253402300800:
        raise WireError("a time out of range")
    now_ns = seconds * SECOND + _signed(found.get(2, 0))
    return micro_timestamp(now_ns) if micro else timestamp(now_ns)
