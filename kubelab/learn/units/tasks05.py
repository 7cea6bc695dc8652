"""05, How many must agree? Its exercises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubelab.etcd.cluster import EtcdCluster
from kubelab.etcd.records import EtcdError
from kubelab.learn import ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.ways import Failed, Refused, require

ZONES = ("north", "south", "east", "west", "middle")
PROBE = b"/probe"


def writable(e: Any) -> bool:
    """Whether a write is accepted now; it is made."""
    try:
        e.put(PROBE, b"x")
    except EtcdError:
        return False
    return True


# 05.1


def spread(thing: Any, seed: int) -> str:
    """Zones with drawn prices; each zone is then lost once."""
    function = ways.a_function(thing, "prices")
    for number in range(3):
        prices = _prices(seed * 3 + number)
        wish = ways.ask(function, dict(prices))
        if wish is None or wish is Ellipsis:
            raise ways.Open
        _judge_spread(function.__name__, prices, wish, seed)
    return "In three landscapes any one zone was lost and writes went on, at the least price."


def _prices(case: int) -> dict[str, int]:
    chance = worlds.drawn(case, "zones")
    names = chance.shuffled(ZONES)[: 3 + case % 3]
    prices = {name: 2 + chance.below(6) for name in names}
    # One is tempting.
    return prices | {names[-1]: 1}


def _judge_spread(name: str, prices: dict[str, int], wish: Any, seed: int) -> None:
    if not isinstance(wish, dict) or not all(isinstance(n, int) for n in wish.values()):
        raise Refused(f"{name} gives {ways.kind(wish)}", "return {zone: number of members}")
    strange = [zone for zone in wish if zone not in prices]
    require(not strange, f"the zones {', '.join(prices)}", f"{strange} in your answer", "none")
    rows = [zone for zone, count in wish.items() for _ in range(count)]
    require(1 <= len(rows) <= 7, "the number of members", len(rows), "1 to 7")
    for zone in prices:
        e = EtcdCluster(len(rows), seed=seed)
        e.run(3)
        lost = [f"etcd-{n}" for n, where in enumerate(rows, 1) if where == zone]
        if lost:
            e.faults.stop(*lost)
        e.run(5)
        require(
            len(lost) < len(rows) and writable(e),
            f"a write after zone {zone} was lost ({wish})", "no majority", "it is accepted",
        )  # fmt: skip
    cost = sum(prices[zone] for zone in rows)
    least = sum(sorted(prices.values())[:3])
    require(cost == least, f"the price of {wish} at {prices}", cost, least)


# 05.2


def balance(thing: Any, seed: int) -> str:
    """Etcds of 3, 5 and 7 members are cut so, then the first two groups are joined."""
    function = ways.a_function(thing, "members")
    for count in (3, 5, 7):
        e = EtcdCluster(count, seed=seed + count)
        e.run(3)
        names = [member.name for member in e.members]
        groups = ways.ask(function, list(names))
        if groups is None or groups is Ellipsis:
            raise ways.Open
        _judge_cut(function.__name__, e, names, groups)
    return "With 3, 5 and 7 members all stood still, and one link brought it back."


def _judge_cut(name: str, e: Any, names: list[str], groups: Any) -> None:
    try:
        parts = [list(group) for group in groups]
        named = sorted(one for part in parts for one in part)
    except TypeError:
        raise Refused(
            f"{name} gives {ways.kind(groups)}", "return a list of lists of names"
        ) from None
    require(named == sorted(names) and len(parts) > 1, f"the groups of {len(names)} members",
            groups, "each member in one of two or more groups")  # fmt: skip
    e.faults.partition(*parts)
    e.run(6)
    for member in names:
        if _accepts(e, member):
            raise Failed(f"{groups}, a write through {member}", "it is accepted", "no answer")
    e.faults.partition(parts[0] + parts[1], *parts[2:])
    e.run(6)
    require(
        any(_accepts(e, member) for member in parts[0]),
        f"{groups}, with the first two joined", "no write is accepted", "writes go on",
    )  # fmt: skip


def _accepts(e: Any, member: str) -> bool:
    call = e.call("put", member=member, key=PROBE, value=b"x")
    e.run(1)
    return bool(call.done and call.error is None)


# 05.3


def count_survivable(thing: Any, seed: int) -> str:
    """Etcds of 1 to 7 members, in a drawn order."""
    function = ways.a_function(thing, "e")
    count = ways.compare(function, _stores(seed))
    return f"For {count} etcds it told how many members may fail."


def _stores(seed: int) -> Iterator[tuple[str, tuple[Any, ...], int]]:
    for count in worlds.drawn(seed, "sizes").shuffled((1, 2, 3, 4, 5, 7)):
        e = EtcdCluster(count, seed=seed)
        e.run(3)
        yield f"a hidden etcd of {count}", (e,), (count - 1) // 2


EXERCISES = (
    Exercise("05.1", "write places(prices): {zone: members}, so that any one zone may be lost and "
             "writes go on, at the least price; prices is {zone: price of a member}",
             "function", spread,
             ("how many members may be lost with three? So how many may stand in one zone?",
              "a cheap zone is tempting; what if it is the one that is lost?",
              "one member in each of the three cheapest zones"),
             ("V2",), "open", ("prices",)),
    Exercise("05.2", "write cut(members): groups that do not hear each other, so that no group can "
             "write; but as soon as the first two are joined, writes go on", "function", balance,
             ("a group that can write has more than half of ALL members",
              "no group with more than half, and two of them together with more than half",
              "for five: two, two and one"),
             ("V2",), "open", ("members",)),
    Exercise("05.3", "write survives(e): how many members of this etcd may fail while writes go "
             "on", "function", count_survivable,
             ("try it: e.fork(), .faults.stop(name), .run(5), .put(b'/x', b'1')",
              "len(e.members) and what is more than half of it",
              "the members, less a majority"),
             ("V3",), "transfer", ("e",)),
)  # fmt: skip
