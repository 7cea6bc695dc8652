"""What was worked out about a node, remembered until the node changes.

A table belongs to a key (a rule and what it read of the pod); in it each node's name leads to the
version of the node that was looked at and the result. A result holds as long as the node has that
version; a "what if" node has version 0 and is never remembered. Of the tables the most recently
used are kept.

In Kubernetes: the equivalence cache of old and the opportunistic batching of today have the same
aim; the verdicts are the same with or without it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from kubelab.scheduler.cache import NodeInfo

TABLES_KEPT = 64

Table = dict[str, tuple[int, Any]]


class Memo:
    """Tables of results by node; with `enabled` false nothing is remembered."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.tables: dict[Hashable, Table] = {}

    def table(self, key: Hashable) -> Table:
        """The table of a key."""
        if not self.enabled:
            return {}
        table = self.tables.pop(key, None)
        if table is None:
            table = {}
            if len(self.tables) >= TABLES_KEPT:
                del self.tables[next(iter(self.tables))]
        self.tables[key] = table
        return table

    def each(
        self, key: Hashable, nodes: Iterable[NodeInfo], rule: Callable[..., Any], *args: Any
    ) -> list[Any]:
        """`rule(node, *args)` for each node, worked out anew only where the node has changed."""
        table = self.table(key)
        results = []
        for node in nodes:
            version = node.version
            known = table.get(node.name)
            if known is not None and known[0] == version:
                results.append(known[1])
                continue
            result = rule(node, *args)
            if version:
                table[node.name] = (version, result)
            results.append(result)
        return results

    def forget_node(self, name: str) -> None:
        """A node is gone."""
        for table in self.tables.values():
            table.pop(name, None)
