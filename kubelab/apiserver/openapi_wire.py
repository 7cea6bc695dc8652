"""The second OpenAPI document as protobuf, the form in which kubectl asks for it.

A message is a list of fields; each is written as its number and its value, and a map as a list of
pairs of name and value. Only those fields are written that the schemas of Kubernetes have.

In Kubernetes: github.com/google/gnostic-models/openapiv2. What extensions hold is YAML text there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

# Numbers of the messages' fields.
DOCUMENT = {"swagger": 1, "info": 2, "paths": 8, "definitions": 9}
TEXTS = {"$ref": 1, "format": 2, "title": 3, "description": 4, "pattern": 13}
REQUIRED, ADDITIONAL, TYPE, ITEMS, PROPERTIES, EXTENSION = 19, 21, 22, 23, 25, 31
METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def varint(number: int) -> bytes:
    """A number in as many bytes as it needs."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, value: str | bytes) -> bytes:
    """A field that holds text or a message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def flag(number: int, value: bool) -> bytes:
    """A field that is true or false."""
    return varint(number << 3) + varint(int(value))


def document(swagger: Mapping[str, Any]) -> bytes:
    """The whole document."""
    info = swagger["info"]
    paths = b"".join(
        field(2, field(1, path) + field(2, _path(item))) for path, item in swagger["paths"].items()
    )
    return b"".join(
        (
            field(DOCUMENT["swagger"], swagger["swagger"]),
            field(DOCUMENT["info"], field(1, info["title"]) + field(2, info["version"])),
            field(DOCUMENT["paths"], paths),
            field(DOCUMENT["definitions"], _named(swagger["definitions"], schema)),
        )
    )


def _named(values: Mapping[str, Any], write: Callable[[Any], bytes]) -> bytes:
    return b"".join(field(1, field(1, name) + field(2, write(values[name]))) for name in values)


def schema(value: Mapping[str, Any]) -> bytes:
    """The schema of an object or of a field."""
    parts = [field(number, value[name]) for name, number in TEXTS.items() if name in value]
    parts += [field(REQUIRED, name) for name in value.get("required") or ()]
    more = value.get("additionalProperties")
    if isinstance(more, bool):
        parts.append(field(ADDITIONAL, flag(2, more)))
    elif more is not None:
        parts.append(field(ADDITIONAL, field(1, schema(more))))
    if "type" in value:
        parts.append(field(TYPE, field(1, value["type"])))
    if "items" in value:
        parts.append(field(ITEMS, field(1, schema(value["items"]))))
    if value.get("properties"):
        parts.append(field(PROPERTIES, _named(value["properties"], schema)))
    parts += _extensions(value, EXTENSION)
    return b"".join(parts)


def _extensions(value: Mapping[str, Any], number: int) -> list[bytes]:
    return [
        field(number, field(1, name) + field(2, field(2, json.dumps(value[name]) + "\n")))
        for name in value
        if name.startswith("x-")
    ]


def _path(item: Mapping[str, Any]) -> bytes:
    return b"".join(
        field(METHODS[method], _operation(item[method])) for method in METHODS if method in item
    )


def _operation(operation: Mapping[str, Any]) -> bytes:
    """What kubectl reads of an operation: of which kind it is, and what it takes."""
    parts = [field(5, operation["operationId"])] if "operationId" in operation else []
    for parameter in operation.get("parameters") or ():
        query = field(4, parameter["name"]) + flag(1, False) + field(2, "query")
        query += field(6, parameter["type"])
        parts.append(field(8, field(1, field(2, field(3, query)))))
    responses = field(1, field(1, "200") + field(2, field(1, field(1, "OK"))))
    parts.append(field(9, responses))
    return b"".join(parts + _extensions(operation, 13))
