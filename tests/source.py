"""A source file as the house rules see it: its tree, and what each node stands in.

`parse` makes a `File`; a rule walks `file.tree` and yields what `file.found` makes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

Function = (ast.FunctionDef, ast.AsyncFunctionDef)


class Finding(NamedTuple):
    """One slip: where, what, and the remedy."""

    path: str
    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}; {self.remedy}"


class File(NamedTuple):
    """A source file: its path in the repository, its text, its tree, each node's parent."""

    path: str
    text: str
    tree: ast.Module
    parents: dict[ast.AST, ast.AST]

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node stands in, inside out."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def found(self, node: ast.AST | int, what: str, remedy: str) -> Finding:
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return Finding(self.path, line, what, remedy)


def parse(path: str, text: str) -> File:
    """A file, ready for the rules."""
    tree = ast.parse(text)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    return File(path, text, tree, parents)


def called(node: ast.AST) -> str:
    """The plain name of what is called, or ''."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id
    return ""
