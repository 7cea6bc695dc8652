"""JSON text into values, with the complaints of Go's decoder.

`read` gives the value and the paths of all fields that stand twice in one object (the last one
counts). A text that is no JSON raises BodyError, whose message says where Go's decoder stopped.

In Kubernetes: encoding/json's SyntaxError and sigs.k8s.io/json's duplicate fields.
"""

from __future__ import annotations

import json
from typing import Any

END = "unexpected end of JSON input"
# What Go says where Python's decoder stops, by the words of the latter.
_WORDS = {
    "Expecting property name enclosed in double quotes": (
        "looking for beginning of object key string"
    ),
    "Expecting value": "looking for beginning of value",
    "Expecting ':' delimiter": "after object key",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
}


class BodyError(ValueError):
    """Raised for a text that is no JSON; the message is Go's."""


class _Twice(dict):  # type: ignore[type-arg]
    """An object in which some keys stand twice."""

    keys_twice: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) == len(pairs):
        return out
    names = [key for key, _ in pairs]
    marked = _Twice(out)
    marked.keys_twice = tuple(key for key in out if names.count(key) > 1)
    return marked


def read(text: str) -> tuple[Any, list[str]]:
    """The value of a text, and the paths of the fields that stand twice. Raises BodyError."""
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise BodyError(_said(text, error)) from None
    except (ValueError, RecursionError):
        raise BodyError("exceeded max depth") from None
    return value, _duplicates(value, "")


def _duplicates(value: Any, path: str) -> list[str]:
    found: list[str] = []
    if isinstance(value, dict):
        if isinstance(value, _Twice):
            found += [f"{path}.{key}".lstrip(".") for key in value.keys_twice]
        for key, item in value.items():
            found += _duplicates(item, f"{path}.{key}")
    elif isinstance(value, list):
        for at, item in enumerate(value):
            found += _duplicates(item, f"{path}[{at}]")
    return found


def _said(text: str, error: json.JSONDecodeError) -> str:
    at = error.pos
    while at < len(text) and text[at].isspace() and error.msg != "Invalid control character at":
        at += 1
    if at >= len(text) or error.msg.startswith("Unterminated string"):
        return END
    words = _WORDS.get(error.msg)
    if words is None:
        inside = _enclosing(text[:at])
        words = "after array element" if inside == "[" else "after object key:value pair"
    char = json.dumps(text[at], ensure_ascii=False)[1:-1].replace("'", "\\'").replace('\\"', '"')
    return f"invalid character '{char}' {words}"


def _enclosing(text: str) -> str:
    """The bracket that is open at the end of a text."""
    opened: list[str] = []
    quoted = escaped = False
    for char in text:
        if quoted:
            quoted, escaped = escaped or char != '"', not escaped and char == "\\"
        elif char == '"':
            quoted = True
        elif char in "[{":
            opened.append(char)
        elif char in "]}" and opened:
            opened.pop()
    return opened[-1] if opened else ""


def summary(text: str, limit: int = 30) -> str:
    """A body as it is shown in a complaint: JSON objects as they are, all else as hex."""
    data = text.encode()
    if not data:
        return "<empty>"
    short = data[:limit]
    shown = short.decode("utf-8", "replace") if data.startswith(b"{") else short.hex()
    return f"{shown} ..." if len(data) > limit else shown
