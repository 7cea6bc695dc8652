"""The rule that nothing may depend on the order of a set, since it follows PYTHONHASHSEED.

A name is followed within its own function, an attribute of `self` within its own class: if it is
once given a set, it may be asked, counted and sorted, but not iterated over.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.source import File, Finding, Function, called

# What makes a set's order harmless.
ORDERLESS = {"sorted", "len", "any", "all", "sum", "min", "max", "set", "frozenset", "bool"}
ORDERED = {"list", "tuple", "iter", "enumerate", "zip", "map", "filter", "deque", "reversed"}
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}


def set_order(file: File) -> Iterator[Finding]:
    """Nothing iterates over a set: its order follows PYTHONHASHSEED."""
    remedy = "use a dict, or `sorted(...)`"
    for node in ast.walk(file.tree):
        looped: list[ast.AST] = []
        if isinstance(node, (ast.For, ast.AsyncFor)):
            looped = [node.iter]
        elif isinstance(node, (ast.ListComp, ast.DictComp)):
            looped = [part.iter for part in node.generators]
        elif isinstance(node, ast.GeneratorExp) and called(file.parents[node]) not in ORDERLESS:
            looped = [part.iter for part in node.generators]
        elif isinstance(node, ast.Starred) and not isinstance(file.parents[node], ast.Set):
            looped = [node.value]
        elif called(node) in ORDERED and called(file.parents[node]) not in ORDERLESS:
            looped = list(node.args)  # type: ignore[attr-defined]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "join":
                looped = list(node.args)
            elif node.func.attr == "pop" and not node.args:
                looped = [node.func.value]
        for part in looped:
            if is_set(file, part):
                yield file.found(part, f"the order of a set, `{ast.unparse(part)}`", remedy)


def is_set(file: File, node: ast.AST) -> bool:
    """Whether an expression is a set, as far as its own function or class tells."""
    if isinstance(node, (ast.Set, ast.SetComp)) or called(node) in ("set", "frozenset"):
        return True
    if isinstance(node, ast.BinOp) and isinstance(
        node.op, (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
    ):
        return is_set(file, node.left) or is_set(file, node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in SET_METHODS and is_set(file, node.func.value)
    if isinstance(node, ast.Name):
        return _given_a_set(file, node, Function)
    if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self":
        return _given_a_set(file, node, (ast.ClassDef,))
    return False


def _given_a_set(file: File, node: ast.Name | ast.Attribute, scopes: tuple[type, ...]) -> bool:
    """Whether the innermost function (of a name) or class (of an attribute) gives it a set."""
    scope = next((up for up in file.above(node) if isinstance(up, scopes)), file.tree)
    name = ast.unparse(node)
    for other in ast.walk(scope):
        if isinstance(other, ast.arg) and other.arg == name and _says_set(other.annotation):
            return True
        if isinstance(other, ast.AnnAssign) and ast.unparse(other.target) == name:
            return _says_set(other.annotation)
        if isinstance(other, ast.Assign) and any(ast.unparse(t) == name for t in other.targets):
            value = other.value
            if isinstance(value, (ast.Set, ast.SetComp)) or called(value) in ("set", "frozenset"):
                return True
    return False


def _says_set(annotation: ast.AST | None) -> bool:
    text = ast.unparse(annotation) if annotation is not None else ""
    return text.startswith(("set[", "frozenset[", "Set[", "AbstractSet["))
