"""What is tried on the exercises of notebook 05."""

from __future__ import annotations

from itertools import product
from typing import Any

from kubelab.etcd.records import EtcdError
from tests.learn.case import Case, always


def cheapest(prices: dict[str, int]) -> dict[str, int]:
    """One member in each of the three cheapest zones."""
    return dict.fromkeys(sorted(prices, key=lambda zone: prices[zone])[:3], 1)


def by_search(prices: dict[str, int]) -> dict[str, int]:
    """All ways to place up to five members, the cheapest that survives."""
    found = []
    for counts in product(range(3), repeat=len(prices)):
        total = sum(counts)
        if total and total <= 5 and all(total - n > total / 2 for n in counts):
            cost = sum(n * price for n, price in zip(counts, prices.values(), strict=True))
            found.append((cost, counts))
    _, best = min(found)
    return {zone: n for zone, n in zip(prices, best, strict=True) if n}


def everywhere(prices: dict[str, int]) -> dict[str, int]:
    """One in every zone: dear, or an even number."""
    return dict.fromkeys(prices, 1)


def all_in_one(prices: dict[str, int]) -> dict[str, int]:
    """Three in the cheapest zone."""
    return {min(prices, key=lambda zone: prices[zone]): 3}


def thirds(members: list[str]) -> list[list[str]]:
    """Two groups of just not half, and the rest."""
    size = (len(members) - 1) // 2
    return [members[:size], members[size : 2 * size], members[2 * size :]]


def uneven(members: list[str]) -> list[list[str]]:
    """The rest first."""
    size = (len(members) - 1) // 2
    return [members[:size], [members[-1]], members[size:-1]]


def halves(members: list[str]) -> list[list[str]]:
    """The larger half goes on."""
    return [members[: len(members) // 2], members[len(members) // 2 :]]


def singles(members: list[str]) -> list[list[str]]:
    """Each for itself: two together are too few of five."""
    return [[member] for member in members]


def by_sum(e: Any) -> int:
    """All but a majority."""
    count = len(e.members)
    return count - (count // 2 + 1)


def by_trial(e: Any) -> int:
    """Stops one after the other on a copy."""
    twin, lost = e.fork(), 0
    for member in [one.name for one in twin.members]:
        twin.faults.stop(member)
        twin.run(5)
        try:
            twin.put(b"/x", b"1")
        except EtcdError:
            return lost
        lost += 1
    return lost


CASES = {
    "05.1": Case(always(lambda prices: ...),
                 {"cheapest": always(cheapest), "search": always(by_search)},
                 {"everywhere": always(everywhere), "all in one": always(all_in_one)}),
    "05.2": Case(always(lambda members: ...),
                 {"thirds": always(thirds), "uneven": always(uneven)},
                 {"halves": always(halves), "singles": always(singles)}),
    "05.3": Case(always(lambda e: ...),
                 {"sum": always(by_sum), "trial": always(by_trial)},
                 {"one": always(lambda e: 1), "half": always(lambda e: len(e.members) // 2)}),
}  # fmt: skip
