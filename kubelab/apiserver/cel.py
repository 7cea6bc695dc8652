"""The Common Expression Language: rules of custom resources and of admission policies.

`program` reads an expression once into a tree of tuples; `Program.evaluate` walks the tree with the
values of its variables, which are plain JSON. An expression ends always: the language has no loops
but those over a list or map. `&&` and `||` do not care about an error on one side if the other side
decides. The functions stand in `cel_library.py`.

In Kubernetes: github.com/google/cel-go and k8s.io/apiserver/pkg/cel. Left out: the type checker
(what it refuses when a rule is written shows here when the rule is asked), and the cost limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from kubelab.apiserver import cel_eval
from kubelab.apiserver.cel_eval import CelError

__all__ = ["CelError", "Program", "program"]

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<number>0[xX][0-9a-fA-F]+[uU]?|\d+\.\d+(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?
        |\d+[eE][+-]?\d+|\d+[uU]?)
    |(?P<string>[rRbB]{0,2}(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''
        |"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<name>[A-Za-z_]\w*|`[^`]+`)
    |(?P<symbol>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,(){}\[\]])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_LITERALS = {"true": True, "false": False, "null": None}
_LEVELS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
MACROS = ("all", "exists", "exists_one", "existsOne", "map", "filter", "transformList",
          "transformMap", "sortBy")  # fmt: skip


class Program(NamedTuple):
    """A compiled expression."""

    text: str
    tree: Any

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """Its value. Raises CelError."""
        return cel_eval.value_of(self.tree, variables)

    def uses(self, name: str) -> bool:
        """Whether a variable occurs in it."""
        return _uses(self.tree, name)


def _uses(tree: Any, name: str) -> bool:
    if not isinstance(tree, tuple):
        return False
    return tree[:2] == ("name", name) or any(_uses(part, name) for part in tree)


def free_names(text: str) -> list[tuple[str, int]]:
    """The variables that an expression speaks of without making them itself, each with the place
    where it first stands. Raises CelError for what is no expression."""
    found: dict[str, None] = {}
    _free(program(text).tree, (), found)
    places = {token: at for _, token, at in reversed(_Parser(text).tokens)}
    return [(name, places.get(name, 0)) for name in found]


def _free(tree: Any, bound: tuple[str, ...], found: dict[str, None]) -> None:
    if not isinstance(tree, tuple) or not tree:
        return
    if tree[0] == "is":
        return
    if tree[0] == "name":
        if tree[1] not in bound:
            found[tree[1]] = None
        return
    if tree[0] == "loop":
        _, _, target, names, *bodies = tree
        _free(target, bound, found)
        for body in bodies:
            _free(body, (*bound, *names), found)
        return
    if tree[0] == "bind":
        _free(tree[2], bound, found)
        _free(tree[3], (*bound, tree[1]), found)
        return
    if tree[0] == "call" and tree[2] and tree[2][0] == "name":
        # `math.greatest(…)`: the name of a library is none of a variable.
        from kubelab.apiserver import cel_library

        if f"{tree[2][1]}.{tree[1]}" in cel_library.FUNCTIONS:
            _free(tree[3], bound, found)
            return
    for part in tree:
        _free(part, bound, found)


def undeclared(text: str, name: str, at: int) -> str:
    """The compiler's words for a variable that nobody knows."""
    before = text[:at]
    line, column = before.count("\n") + 1, at - (before.rfind("\n") + 1)
    shown = text.split("\n")[line - 1]
    return (
        f"ERROR: <input>:{line}:{column + 1}: undeclared reference to '{name}' (in container '')"
        f"\n | {shown}\n | {'.' * column}^"
    )


@lru_cache(maxsize=2048)
def program(text: str) -> Program:
    """The program of an expression. Raises CelError for what is none."""
    parser = _Parser(text)
    tree = parser.conditional()
    parser.expect("")
    return Program(text, tree)


class _Parser:
    """Recursive descent; `token` is the current one, the empty string at the end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                self.fail(at, f"token recognition error at: '{text[at]}'")
            assert found is not None
            if found.lastgroup != "space":
                self.tokens.append((str(found.lastgroup), found.group(), at))
            at = found.end()
        self.at = 0

    @property
    def token(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def fail(self, at: int, why: str) -> None:
        before = self.text[:at]
        line = before.count("\n") + 1
        column = at - (before.rfind("\n") + 1)
        shown = self.text.split("\n")[line - 1]
        raise CelError(
            f"ERROR: <input>:{line}:{column + 1}: Syntax error: {why}\n | {shown}\n | "
            f"{'.' * column}^"
        )

    def unexpected(self) -> None:
        if self.at >= len(self.tokens):
            self.fail(len(self.text), "mismatched input '<EOF>'")
        self.fail(self.tokens[self.at][2], f"mismatched input '{self.token}'")

    def expect(self, symbol: str) -> None:
        if self.token != symbol:
            self.unexpected()
        self.at += 1

    def take(self, symbol: str) -> bool:
        if self.token == symbol and self.at < len(self.tokens):
            self.at += 1
            return True
        return False

    def name(self) -> str:
        if self.at >= len(self.tokens) or self.tokens[self.at][0] != "name":
            self.unexpected()
        self.at += 1
        return self.tokens[self.at - 1][1].strip("`")

    def conditional(self) -> Any:
        choice = self.binary(0)
        if not self.take("?"):
            return choice
        one = self.binary(0)
        self.expect(":")
        return ("if", choice, one, self.conditional())

    def binary(self, level: int) -> Any:
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.token in _LEVELS[level] and self.tokens[self.at][0] != "string":
            operator = self.token
            self.at += 1
            left = ("op", operator, left, self.binary(level + 1))
        return left

    def unary(self) -> Any:
        if self.take("!"):
            return ("not", self.unary())
        if self.take("-"):
            return ("negative", self.unary())
        return self.member()

    def member(self) -> Any:
        value = self.primary()
        while True:
            if self.take("."):
                optional = self.take("?")
                field = self.name()
                if not optional and self.take("("):
                    value = self.call(field, value)
                elif self.token == "{" and _names_type(value):
                    # `Object.spec{…}`: a part of an object of a named type.
                    self.at += 1
                    value = self.mapping(field)
                else:
                    value = ("try" if optional else "field", value, _plain(field))
            elif self.take("["):
                optional = self.take("?")
                value = ("tryat" if optional else "at", value, self.conditional())
                self.expect("]")
            else:
                return value

    def call(self, function: str, target: Any) -> Any:
        """The arguments of a call, and what macros make of them."""
        arguments = self.several(")")
        if function == "has" and target is None and len(arguments) == 1:
            if arguments[0][0] != "field":
                raise CelError("ERROR: <input>: invalid argument to has() macro")
            return ("has", *arguments[0][1:])
        if function == "bind" and target == ("name", "cel"):
            return ("bind", arguments[0][1], arguments[1], arguments[2])
        if target is not None and function in MACROS and arguments[0][0] == "name":
            names = [part[1] for part in arguments[:-1] if part[0] == "name"]
            if function == "map" and len(arguments) == 3:
                return ("loop", "mapif", target, (names[0],), arguments[1], arguments[2])
            return ("loop", function, target, tuple(names), arguments[-1], None)
        return ("call", function, target, tuple(arguments))

    def several(self, end: str) -> list[Any]:
        found: list[Any] = []
        while not self.take(end):
            found.append(self.conditional())
            if not self.take(","):
                self.expect(end)
                break
        return found

    def primary(self) -> Any:
        if self.at >= len(self.tokens):
            self.unexpected()
        kind, token, _ = self.tokens[self.at]
        if self.take("("):
            inner = self.conditional()
            self.expect(")")
            return inner
        if self.take("["):
            return ("list", tuple(self.several("]")))
        if self.take("{"):
            return self.mapping(None)
        self.take(".")
        if kind == "number":
            self.at += 1
            return ("is", _number(token))
        if kind == "string":
            self.at += 1
            return ("is", _string(token))
        name = self.name()
        if name in _LITERALS:
            return ("is", _LITERALS[name])
        if self.take("("):
            return self.call(name, None)
        if self.token == "{" and name[:1].isupper():
            self.at += 1
            return self.mapping(name)
        return ("name", name)

    def mapping(self, type_: str | None) -> Any:
        """A map, or an object of a named type (whose fields are names)."""
        pairs = []
        while not self.take("}"):
            optional = self.take("?")
            key = ("is", self.name()) if type_ else self.conditional()
            self.expect(":")
            pairs.append((key, self.conditional(), optional))
            if not self.take(","):
                self.expect("}")
                break
        return ("map", tuple(pairs))


def _names_type(tree: Any) -> bool:
    """Whether a tree is the name of a type: `Object`, `Object.spec`."""
    while tree[0] == "field":
        tree = tree[1]
    return tree[0] == "name" and str(tree[1])[:1].isupper()


def _plain(field: str) -> str:
    """A field's real name: what CEL cannot say is written with underscores."""
    if "__" not in field:
        return field
    if re.fullmatch(r"__[a-z_]+__", field) and field not in ("__dot__", "__dash__", "__slash__"):
        return field[2:-2]
    for escaped, real in (("__dot__", "."), ("__dash__", "-"), ("__slash__", "/"),
                          ("__underscores__", "__")):  # fmt: skip
        field = field.replace(escaped, real)
    return field


def _number(token: str) -> int | float:
    token = token.rstrip("uU")
    if token[:2].lower() == "0x":
        return int(token, 16)
    return float(token) if re.search(r"[.eE]", token) else int(token)


def _string(token: str) -> Any:
    prefix = token[: len(token) - len(token.lstrip("rRbB"))].lower()
    body = token[len(prefix) :]
    quote = 3 if body[:3] in ('"""', "'''") else 1
    text = body[quote:-quote]
    if "r" not in prefix:
        text = re.sub(
            r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))",
            _escape, text, flags=re.DOTALL,
        )  # fmt: skip
    return text.encode() if "b" in prefix else text


def _escape(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code:
        return chr(int(code, 16))
    return chr(int(found[4], 8)) if found[4] else _ESCAPES.get(found[5], found[5])
