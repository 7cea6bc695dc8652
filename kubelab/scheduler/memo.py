"""What was worked out about each node, remembered until the node changes.

A *column* belongs to a key (a rule and what it read of the pod) and holds one result for each node,
in the order of the cache. The cache keeps a list of the places that have changed; a column that is
used again forgets the results of just these, and works them out anew when they are asked for. A
*tally* is a column with sums: what each node adds to some place (a zone, a host). A node that
changed is taken out with what it gave before and put in with what it gives now, so that a cycle
costs what has changed and not the number of nodes. Of the columns the most recently used are kept.

In Kubernetes: the equivalence cache of old and the opportunistic batching of today have the same
aim; the verdicts are the same with or without it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from kubelab.scheduler.cache import Cache, NodeInfo

COLUMNS_KEPT = 64

# Stands for a result that nobody has asked for yet; no rule answers with it.
UNKNOWN = ""

# What a node adds: to which sum, for which value, how much.
Shares = Iterable[tuple[Any, Any, int]]


class Column:
    """Results by the place of the node in the cache's order."""

    __slots__ = ("epoch", "results", "seen")

    def __init__(self) -> None:
        self.epoch = 0
        self.seen = 0
        self.results: list[Any] = []

    def refresh(self, cache: Cache) -> None:
        """Forgets the results of nodes that have changed."""
        nodes = cache.ordered()
        if self.epoch != cache.epoch:
            self.epoch, self.seen = cache.epoch, len(cache.changed)
            self.results = [UNKNOWN] * len(nodes)
            return
        results = self.results
        for place in cache.changed[self.seen :]:
            results[place] = UNKNOWN
        self.seen = len(cache.changed)

    def fill(self, nodes: Sequence[NodeInfo], low: int, high: int, rule: Any, *args: Any) -> None:
        """Works out what is unknown from one place up to another."""
        results = self.results
        place = low
        while UNKNOWN in results[place:high]:
            place = results.index(UNKNOWN, place, high)
            results[place] = rule(nodes[place], *args)


class Tally(Column):
    """A column whose results are added up; `members` counts the shares in each sum."""

    __slots__ = ("members", "sums")

    def __init__(self) -> None:
        super().__init__()
        self.sums: dict[Any, dict[Any, int]] = {}
        self.members: dict[Any, dict[Any, int]] = {}

    def bring_up(self, cache: Cache, rule: Callable[..., Shares], *args: Any) -> None:
        """Takes the nodes that have changed out of the sums, and puts them in anew."""
        nodes = cache.ordered()
        if self.epoch != cache.epoch:
            self.epoch, self.seen = cache.epoch, len(cache.changed)
            self.sums, self.members = {}, {}
            self.results = [tuple(rule(node, *args)) for node in nodes]
            for shares in self.results:
                if shares:
                    self._add(shares, 1)
            return
        results = self.results
        for place in dict.fromkeys(cache.changed[self.seen :]):
            before, after = results[place], tuple(rule(nodes[place], *args))
            if before != after:
                self._add(after, 1)
                self._add(before, -1)
                results[place] = after
        self.seen = len(cache.changed)

    def _add(self, shares: Shares, sign: int) -> None:
        for name, value, amount in shares:
            sums = self.sums.setdefault(name, {})
            members = self.members.setdefault(name, {})
            count = members.get(value, 0) + sign
            if count:
                members[value] = count
                sums[value] = sums.get(value, 0) + sign * amount
                continue
            del members[value], sums[value]
            if not members:
                del self.members[name], self.sums[name]


class Memo:
    """Columns by key; with `enabled` false nothing is remembered."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.columns: dict[Hashable, Column] = {}

    def column(self, key: Hashable, cache: Cache) -> Column:
        """The column of a key, without what no longer holds."""
        column = self._find(key) or Column()
        self._keep(key, column)
        column.refresh(cache)
        return column

    def each(
        self, key: Hashable, cache: Cache, nodes: Sequence[NodeInfo], rule: Any, *args: Any
    ) -> list[Any]:
        """`rule(node, *args)` for some of the cache's nodes."""
        results, positions = self.column(key, cache).results, cache.positions
        found = []
        for node in nodes:
            place = positions[node.name]
            result = results[place]
            if result is UNKNOWN:
                result = results[place] = rule(node, *args)
            found.append(result)
        return found

    def tally(
        self, key: Hashable, cache: Cache, rule: Callable[..., Shares], *args: Any
    ) -> dict[Any, dict[Any, int]]:
        """The sums of what `rule(node, *args)` gives over all nodes; they are only read."""
        found = self._find(key)
        tally = found if isinstance(found, Tally) else Tally()
        self._keep(key, tally)
        tally.bring_up(cache, rule, *args)
        return tally.sums

    def _find(self, key: Hashable) -> Column | None:
        return self.columns.pop(key, None) if self.enabled else None

    def _keep(self, key: Hashable, column: Column) -> None:
        if self.enabled:
            if len(self.columns) >= COLUMNS_KEPT:
                del self.columns[next(iter(self.columns))]
            self.columns[key] = column
