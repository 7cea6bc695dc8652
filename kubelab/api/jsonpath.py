"""kubectl's JSONPath: paths, filters, ranges and text in one template.

`{.items[*].metadata.name}`, `{range .items[*]}{.metadata.name}{"\\n"}{end}`,
`{.status.conditions[?(@.type=="Ready")].status}`; a dot within a key is written `\\.`. What stands
outside braces is text. `compile_template` reads a template once; `Template.render` prints it for an
object, and `values` gives what one path finds, without a template around it (printer columns, scale
paths, wait conditions). This is not the JSONPath of RFC 9535.

In Kubernetes: k8s.io/client-go/util/jsonpath. Left out: the recursive `..` with filters.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

_NUMBER = re.compile(r"-?\d+")
_OPERATORS = ("==", "!=", "<=", ">=", "<", ">")


class JSONPathError(ValueError):
    """Raised for a template that cannot be read, or that finds no such key; in kubectl's words."""


class Step(NamedTuple):
    """One step of a path: `kind` is key, all, deep, index, slice, filter or union."""

    kind: str
    arg: Any = None


class Part(NamedTuple):
    """One part of a template: `kind` is text, path or range (with the parts of its body)."""

    kind: str
    text: str = ""
    steps: tuple[Step, ...] = ()
    body: tuple[Part, ...] = ()


class Template(NamedTuple):
    """A template that was read; `allow_missing` prints nothing for keys that are not there."""

    parts: tuple[Part, ...]
    allow_missing: bool = True

    def render(self, obj: Any) -> str:
        """The text that the template makes of an object. Raises JSONPathError."""
        return "".join(_render(self.parts, obj, obj, self.allow_missing))


def _render(parts: tuple[Part, ...], root: Any, here: Any, lenient: bool) -> list[str]:
    out: list[str] = []
    for part in parts:
        if part.kind == "text":
            out.append(part.text)
        elif part.kind == "path":
            found = _follow(part.steps, root, here, lenient)
            out.append(" ".join(as_text(value) for value in found))
        else:
            for item in _follow(part.steps, root, here, lenient):
                out += _render(part.body, root, item, lenient)
    return out


def as_text(value: Any) -> str:
    """A value as kubectl prints it: plain scalars, JSON for the rest."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    for character, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(character, escape)
    return text


def values(path: str, obj: Any) -> list[Any]:
    """What a path finds; the braces may be left out. Raises JSONPathError for a bad path."""
    return _follow(_path_of(path), obj, obj, True)


@lru_cache(maxsize=1024)
def _path_of(path: str) -> tuple[Step, ...]:
    inner = path.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    return _steps(inner)


@lru_cache(maxsize=1024)
def compile_template(text: str, *, allow_missing: bool = True) -> Template:
    """A template from its text. Raises JSONPathError."""
    parts, _ = _parts(_pieces(text), 0, False)
    return Template(parts, allow_missing)


def relaxed(text: str) -> str:
    """A path as `custom-columns` and `wait` take it, in braces: `.a.b`, `a.b`, `{.a.b}`."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    return "{" + (inner if inner.startswith((".", "[", "$")) else f".{inner}") + "}"


def _pieces(text: str) -> list[tuple[bool, str]]:
    """The template cut into text and what stands in braces, quotes minded."""
    pieces: list[tuple[bool, str]] = []
    at = 0
    while at < len(text):
        opened = text.find("{", at)
        if opened < 0:
            pieces.append((False, text[at:]))
            break
        if opened > at:
            pieces.append((False, text[at:opened]))
        closed = _closing(text, opened)
        pieces.append((True, text[opened + 1 : closed].strip()))
        at = closed + 1
    return pieces


def _closing(text: str, opened: int) -> int:
    quote, at = "", opened + 1
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char == "}":
            return at
        at += 1
    raise JSONPathError("unclosed action")


def _parts(pieces: list[tuple[bool, str]], at: int, nested: bool) -> tuple[tuple[Part, ...], int]:
    """The parts from a place on, up to the `{end}` that closes them."""
    parts: list[Part] = []
    while at < len(pieces):
        action, text = pieces[at]
        at += 1
        if not action:
            parts.append(Part("text", text))
        elif text == "end":
            if not nested:
                raise JSONPathError("not in range, nothing to end")
            return tuple(parts), at
        elif text == "range" or text.startswith("range "):
            body, at = _parts(pieces, at, True)
            parts.append(Part("range", "", _steps(text[5:].strip()), body))
        elif text[:1] in ("'", '"'):
            parts.append(Part("text", _unquoted(text)))
        elif text:
            parts.append(Part("path", "", _steps(text)))
    if nested:
        raise JSONPathError("unclosed action")
    return tuple(parts), at


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda found: escapes.get(found[1], found[1]), inner)


def _steps(text: str) -> tuple[Step, ...]:
    """The steps of one path."""
    steps: list[Step] = []
    at = 0
    if text[:1] in ("$", "@"):
        steps.append(Step("root" if text[0] == "$" else "here"))
        at = 1
    while at < len(text):
        char = text[at]
        if text.startswith("..", at):
            steps.append(Step("deep"))
            at = _key(text, at + 2, steps)
        elif char == ".":
            at = _key(text, at + 1, steps)
        elif char == "[":
            closed = _bracket(text, at)
            steps.append(_subscript(text[at + 1 : closed].strip()))
            at = closed + 1
        elif char.isspace():
            at += 1
        else:
            at = _key(text, at, steps)
    return tuple(steps)


def _key(text: str, at: int, steps: list[Step]) -> int:
    """Reads a key (with `\\.` for a dot) from a place on."""
    name = []
    while at < len(text) and text[at] not in ".[":
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        name.append(text[at])
        at += 1
    key = "".join(name).strip()
    if key == "*":
        steps.append(Step("all"))
    elif key:
        steps.append(Step("key", key))
    return at


def _bracket(text: str, opened: int) -> int:
    depth, quote, at = 0, "", opened
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if not depth:
                return at
        at += 1
    raise JSONPathError("unterminated array")


def _subscript(inner: str) -> Step:
    if inner == "*":
        return Step("all")
    if inner.startswith("?(") and inner.endswith(")"):
        return Step("filter", _condition(inner[2:-1].strip()))
    if inner[:1] in ("'", '"') and inner[-1:] == inner[:1] and "," not in inner:
        return Step("key", _unquoted(inner))
    if "," in inner:
        return Step("union", tuple(_subscript(part.strip()) for part in inner.split(",")))
    if _NUMBER.fullmatch(inner):
        return Step("index", int(inner))
    if ":" in inner:
        bounds = [part.strip() for part in inner.split(":")]
        if len(bounds) <= 3 and all(not part or _NUMBER.fullmatch(part) for part in bounds):
            return Step("slice", tuple(int(part) if part else None for part in bounds))
    raise JSONPathError(f"invalid array index {inner}")


class Condition(NamedTuple):
    """A filter: two operands and an operator; without an operator, the left one must be there."""

    left: Any
    operator: str = ""
    right: Any = None


def _condition(text: str) -> Condition:
    quote = ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        else:
            for operator in _OPERATORS:
                if text.startswith(operator, at):
                    rest = text[at + len(operator) :].strip()
                    return Condition(_operand(text[:at].strip()), operator, _operand(rest))
    return Condition(_operand(text))


def _operand(text: str) -> Any:
    """A path (as steps) or a literal."""
    if text[:1] in ("'", '"'):
        return _unquoted(text)
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text and not text.startswith(("@", ".")) else int(text)
    except ValueError:
        return _steps(text)


def _follow(steps: tuple[Step, ...], root: Any, here: Any, lenient: bool) -> list[Any]:
    """All values that the steps lead to."""
    found = [here]
    for step in steps:
        if step.kind == "root":
            found = [root]
        elif step.kind != "here":
            found = [item for value in found for item in _step(step, value, root, lenient)]
    return found


def _step(step: Step, value: Any, root: Any, lenient: bool) -> list[Any]:
    kind, arg = step
    if kind == "key":
        if isinstance(value, dict) and arg in value:
            return [value[arg]]
        if lenient or value is None:
            return []
        raise JSONPathError(f"{arg} is not found")
    if kind == "all":
        if isinstance(value, dict):
            return [value[key] for key in sorted(value)]
        return list(value) if isinstance(value, list) else []
    if kind == "deep":
        return _descend(value)
    if kind == "union":
        return [item for part in arg for item in _step(part, value, root, lenient)]
    if not isinstance(value, list):
        return []
    if kind == "index":
        if -len(value) <= arg < len(value):
            return [value[arg]]
        if lenient:
            return []
        raise JSONPathError(f"array index out of bounds: index {arg}, length {len(value)}")
    if kind == "slice":
        return list(value[slice(*arg)])
    return [item for item in value if _holds(arg, item, root)]


def _descend(value: Any) -> list[Any]:
    out = [value]
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            out += _descend(item)
    return out


def _holds(condition: Condition, item: Any, root: Any) -> bool:
    left = _operand_values(condition.left, item, root)
    if not condition.operator:
        return bool(left)
    right = _operand_values(condition.right, item, root)
    if not left or not right:
        return False
    return _compare(left[0], condition.operator, right[0])


def _operand_values(operand: Any, item: Any, root: Any) -> list[Any]:
    return _follow(operand, root, item, True) if isinstance(operand, tuple) else [operand]


def _compare(left: Any, operator: str, right: Any) -> bool:
    if operator in ("==", "!="):
        same = left == right and isinstance(left, bool) == isinstance(right, bool)
        return same == (operator == "==")
    try:
        if operator == "<":
            return bool(left < right)
        if operator == ">":
            return bool(left > right)
        return bool(left <= right) if operator == "<=" else bool(left >= right)
    except TypeError:
        return False
