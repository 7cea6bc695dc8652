"""Objects as YAML, to the character as Kubernetes writes it.

Keys are in order of the alphabet. It is written by hand, since the choice of quotes is Go's: a text
that another reader could take for a number, a boolean, a date or nothing stands in double quotes,
one with special characters in single quotes, one with several lines as a block.

In Kubernetes: sigs.k8s.io/yaml.
"""

from __future__ import annotations

import re
from typing import Any

from yaml.emitter import Emitter
from yaml.reader import Reader

_WORDS = frozenset(
    (
        "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO",
        "true", "True", "TRUE", "false", "False", "FALSE", "on", "On", "ON", "off", "Off", "OFF",
        ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
        "-.Inf", "-.INF", "<<",
    )
)  # fmt: skip
_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", "\a": "\\a",
    "\b": "\\b", "\v": "\\v", "\f": "\\f", "\x1b": "\\e", "\x85": "\\N", "\u2028": "\\L",
    "\u2029": "\\P", "\ufeff": "\\uFEFF",
}  # fmt: skip
_NUMBER = re.compile(
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?0[xX][0-9a-fA-F_]+"
    r"|[-+]?0b[01_]+|[-+]?0o[0-7_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
)
_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}|\d{4}-\d{1,2}-\d{1,2}[Tt ]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?"
    r"(Z|[+-]\d{2}:?\d{2})?"
)


def to_yaml(value: Any) -> str:
    """YAML with a final line end."""
    if isinstance(value, (dict, list)) and value:
        return "\n".join(_block(value, 0)) + "\n"
    return _scalar(value, 0) + "\n"


def _block(value: Any, indent: int) -> list[str]:
    blank = " " * indent
    lines: list[str] = []
    if isinstance(value, dict):
        for key in sorted(value):
            item = value[key]
            head = f"{blank}{_scalar(key, indent)}:"
            if isinstance(item, dict) and item:
                lines += [head, *_block(item, indent + 2)]
            elif isinstance(item, list) and item:
                lines += [head, *_block(item, indent)]
            else:
                lines.append(f"{head} {_scalar(item, indent + 2)}")
        return lines
    for item in value:
        if isinstance(item, (dict, list)) and item:
            inner = _block(item, indent + 2)
            lines += [f"{blank}- {inner[0].lstrip(' ')}", *inner[1:]]
        else:
            lines.append(f"{blank}- {_scalar(item, indent + 2)}")
    return lines


def _scalar(value: Any, indent: int) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    return _text(value, indent)


def _text(text: str, indent: int) -> str:
    if not text:
        return '""'
    found = Emitter(None, allow_unicode=True).analyze_scalar(text)
    if "\n" in text and found.allow_block:
        return _literal(text, indent)
    if "\n" in text or text in _WORDS or _NUMBER.fullmatch(text) or _DATE.fullmatch(text):
        return _quoted(text)
    if found.allow_block_plain:
        return text
    if found.allow_single_quoted:
        return "'" + text.replace("'", "''") + "'"
    return _quoted(text)


def _quoted(text: str) -> str:
    """In double quotes; what cannot be printed is escaped."""
    return '"' + "".join(_ESCAPES.get(c) or _printable(c) for c in text) + '"'


def _printable(character: str) -> str:
    if not Reader.NON_PRINTABLE.match(character):
        return character
    number = ord(character)
    return f"\\x{number:02X}" if number < 256 else f"\\u{number:04X}"


def _literal(text: str, indent: int) -> str:
    hint = str(2) if text.startswith((" ", "\n")) else ""
    chomp = "" if text.endswith("\n") else "-"
    if text.endswith("\n\n") or text == "\n":
        chomp = "+"
    body = text[:-1] if text.endswith("\n") else text
    blank = " " * indent
    lines = [blank + line if line else "" for line in body.split("\n")]
    return f"|{hint}{chomp}\n" + "\n".join(lines)
