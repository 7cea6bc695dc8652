"""Go templates, as far as people write them for `kubectl get -o go-template`.

Paths, `range`, `if`, `else`, `end`, `with`, `index`, `len`, `printf`-free text in quotes and
comparisons; a variable or a pipeline is refused with one clear sentence.

In Kubernetes: Go's text/template with k8s.io/cli-runtime/pkg/printers/template.go.
"""

from __future__ import annotations

import json
import re
from typing import Any

from kubelab.kubectl.errors import fail

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
NO_VALUE = "<no value>"


def check(template: str) -> None:
    """Raises Failed for a template in which an action is not closed."""
    rest = _ACTION.sub("", template)
    if "{{" in rest:
        line = 1 + template[: template.rindex("{{")].count("\n")
        raise fail(f"error parsing template {template}, template: output:{line}: unclosed action")


def render(template: str, obj: Any) -> str:
    """The text that the template makes of an object. Raises Failed."""
    pieces: list[tuple[bool, str]] = []
    at = 0
    for found in _ACTION.finditer(template):
        before = template[at : found.start()]
        if found[0].startswith("{{-"):
            before = before.rstrip()
        if pieces and pieces[-1][0] and template[at - 3 : at] == "-}}":
            before = before.lstrip()
        pieces += [(False, before), (True, found[1])]
        at = found.end()
    rest = template[at:]
    pieces.append((False, rest.lstrip() if template[at - 3 : at] == "-}}" else rest))
    out: list[str] = []
    _run(pieces, 0, obj, out, live=True)
    return "".join(out)


def _run(pieces: list[Any], at: int, here: Any, out: list[str], *, live: bool) -> int:
    """Renders until `end` or `else`; returns where that stands."""
    while at < len(pieces):
        is_action, text = pieces[at]
        word = text.split(" ", 1)[0] if is_action else ""
        if not is_action:
            if live:
                out.append(text)
        elif word in ("end", "else"):
            return at
        elif word in ("if", "range", "with"):
            at = _branch(pieces, at, here, out, live=live)
        elif live:
            out.append(_shown(_value(text, here)))
        at += 1
    return at


def _branch(pieces: list[Any], at: int, here: Any, out: list[str], *, live: bool) -> int:
    word, _, condition = pieces[at][1].partition(" ")
    value = _value(condition, here) if live else None
    start = at + 1
    if word == "range" and live and value:
        for item in value.values() if isinstance(value, dict) else value:
            at = _run(pieces, start, item, out, live=True)
    else:
        inner = value if word == "with" else here
        at = _run(pieces, start, inner, out, live=live and bool(value))
    if at < len(pieces) and pieces[at][1] == "else":
        at = _run(pieces, at + 1, here, out, live=live and not value)
    if at >= len(pieces):
        raise fail("error parsing template: unexpected EOF")
    return at


def _value(text: str, here: Any) -> Any:
    if "|" in text or "$" in text:
        raise fail(f"the built-in kubectl has no variables and pipelines in templates: {text}")
    words = _WORD.findall(text)
    if len(words) == 1:
        return _operand(words[0], here)
    name, operands = words[0], [_operand(word, here) for word in words[1:]]
    if name == "index":
        value = operands[0]
        for key in operands[1:]:
            value = value.get(key) if isinstance(value, dict) else value[key]
        return value
    if name == "len":
        return len(operands[0] or ())
    if name in ("eq", "ne"):
        return (operands[0] == operands[1]) == (name == "eq")
    if name == "not":
        return not operands[0]
    raise fail(f'error parsing template: function "{name}" not defined')


def _operand(word: str, here: Any) -> Any:
    if word.startswith('"'):
        return json.loads(word)
    if re.fullmatch(r"-?\d+", word):
        return int(word)
    if word in ("true", "false"):
        return word == "true"
    if not word.startswith("."):
        raise fail(f'error parsing template: function "{word}" not defined')
    value = here
    for key in word.split("."):
        if key:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def _shown(value: Any) -> str:
    if value is None:
        return NO_VALUE
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_shown(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(_shown(item) for item in value)}]"
    return str(value)
