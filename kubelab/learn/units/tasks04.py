"""04, Where does the cluster remember? Its exercises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubelab.etcd.cluster import EtcdCluster
from kubelab.learn import ways, worlds
from kubelab.learn.catalogue import Exercise
from kubelab.learn.ways import require
from kubelab.sim.chance import Chance

LOCK = b"/lab/lock"
FOLDER = b"/lab/"
TTL_SECONDS = 10

# What is done to a key in a hidden history, from the seldom to the frequent.
ACTS = ("delete", "other", "put", "put", "put")


def store(seed: int) -> tuple[Any, Chance]:
    """A hidden store of one member, and chance for what is done to it."""
    made = EtcdCluster(1, seed=seed)
    made.run(3)
    return made, worlds.drawn(seed, "history")


# 04.1


def find_history(thing: Any, seed: int) -> str:
    """Three stores with drawn histories of a key that is written, deleted and made again."""
    function = ways.a_function(thing, "etcd", "key")
    count = ways.compare(function, (_past(seed * 3 + n + 1) for n in range(3)), _same_rows)
    return f"In {count} stores it told the whole life of a key."


def _past(seed: int) -> tuple[str, tuple[Any, ...], list[tuple[int, bytes | None]]]:
    etcd, chance = store(seed)
    key, there = f"/lab/{worlds.name(seed)}".encode(), False
    rows: list[tuple[int, bytes | None]] = []
    acts = ["put", "put", "other", "delete", "put"]
    acts += [chance.choice(ACTS) for _ in range(8)]
    for number, act in enumerate(acts):
        if act == "other":
            etcd.put(key + b"-2", b"x")
        elif act == "delete" and there:
            rows.append((etcd.delete_range(key).header.revision, None))
            there = False
        elif act == "put":
            value = f"{number}-{chance.suffix(3)}".encode()
            rows.append((etcd.put(key, value).header.revision, value))
            there = True
    return f"a hidden store (seed {seed})", (etcd, key), rows


def _same_rows(given: Any, own: list[Any]) -> bool:
    try:
        return [tuple(row) for row in given] == own
    except TypeError:
        return False


# 04.2


class Rival:
    """The store with somebody who is a little quicker: after the first look, the lock is gone."""

    def __init__(self, etcd: Any) -> None:
        self._etcd = etcd
        self.came = False

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._etcd, name)
        if name not in ("range", "txn"):
            return call

        def asked(*args: Any, **fields: Any) -> Any:
            if name == "txn":
                self._come()
                return call(*args, **fields)
            found = call(*args, **fields)
            self._come()
            return found

        return asked

    def _come(self) -> None:
        if not self.came:
            self.came = True
            take(self._etcd, b"rival")


def take(etcd: Any, who: bytes) -> bool:
    """The lock as it should be: one transaction, with a lease that ends by itself."""
    lease = etcd.lease_grant(TTL_SECONDS).ID
    free = [{"key": LOCK, "target": "CREATE", "result": "EQUAL", "create_revision": 0}]
    put = [{"request_put": {"key": LOCK, "value": who, "lease": lease}}]
    return bool(etcd.txn(free, put, []).succeeded)


def hold_lock(thing: Any, seed: int) -> str:
    """One gets it, the other does not; a rival in between; the holder dies."""
    lock = ways.a_function(thing, "etcd", "who")
    etcd, _ = store(seed + 1)
    ann = f"ann-{worlds.name(seed)}"
    first = ways.ask(lock, etcd, ann)
    if first is None or first is Ellipsis:
        raise ways.Open
    held = etcd.range(LOCK).kvs
    saw = f"{lock.__name__} says {first!r}, and the key is {'there' if held else 'not there'}"
    require(first is True and held, "the first who asks", saw, "True, and the key /lab/lock")
    require(held[0].value == ann.encode(), "the key's value", held[0].value, "the holder's name")
    lease = held[0].lease
    require(lease, "the key's lease", "none", "a lease, so that a dead holder is no holder")
    ttl = etcd.lease_time_to_live(lease).grantedTTL
    require(ttl <= TTL_SECONDS, "the lease's time", f"{ttl} s", f"at most {TTL_SECONDS} s")
    for _ in range(8):
        etcd.run(3)
        etcd.lease_keep_alive(lease)
        second = ways.ask(lock, etcd, "ben")
        require(second is False, "a second one, while the first keeps its lease alive",
                second, "False")  # fmt: skip
    owner = etcd.range(LOCK).kvs[0].value
    require(owner == ann.encode(), "who holds the lock after that", owner, ann)
    etcd.run(TTL_SECONDS + 2)
    third = ways.ask(lock, etcd, "ben")
    require(third is True, f"ben, {TTL_SECONDS + 2} s after ann has died", third, "True")
    _races(lock, seed)
    return "One holds it, nobody steals it, and a dead holder loses it."


def _races(lock: Any, seed: int) -> None:
    etcd, _ = store(seed + 2)
    rival = Rival(etcd)
    got = ways.ask(lock, rival, "slow")
    owner = etcd.range(LOCK).kvs[0].value
    require(
        owner == b"rival" and got is False,
        "a rival who comes between your look and your write",
        f"{owner.decode()} holds it, and you were told {got!r}",
        "the rival keeps it, and you are told False",
    )


# 04.3


def find_changed(thing: Any, seed: int) -> str:
    """Three stores in which some keys of a folder differ between two revisions."""
    function = ways.a_function(thing, "etcd", "old", "new")
    count = ways.compare(function, _pairs(seed), _same_set)
    return f"In {count} stores it named the keys that are not the same at the two revisions."


def _pairs(seed: int) -> Iterator[tuple[str, tuple[Any, ...], set[bytes]]]:
    for number in range(3):
        case = seed * 3 + number + 1
        etcd, chance = store(case)
        names = [FOLDER + f"{worlds.NAMES[n]}".encode() for n in range(6)]
        for one in names[:4]:
            etcd.put(one, b"1")
        old = etcd.put(b"/else/where", b"1").header.revision
        changed, gone, kept, born, brief = (*chance.shuffled(names[:4])[:3], names[4], names[5])
        etcd.put(changed, b"2")
        etcd.delete_range(gone)
        etcd.put(brief, b"1")
        etcd.put(born, b"1")
        new = etcd.delete_range(brief).header.revision
        etcd.put(kept, b"3")
        yield f"a hidden store (seed {case})", (etcd, old, new), {changed, gone, born}


def _same_set(given: Any, own: set[bytes]) -> bool:
    try:
        return set(given) == own
    except TypeError:
        return False


EXERCISES = (
    Exercise("04.1", "write history(etcd, key): a list of (revision, value) for each write of the "
             "key, the oldest first; value is None for a deletion", "function", find_history,
             ("a range tells what is so at one revision; which call tells changes?",
              "watch from revision 1, run a second, look at .responses; a DELETE has no value",
              "[(e.kv.mod_revision, e.kv.value if e.type == 'PUT' else None) for r in "
              "watch.responses for e in r.events]"),
             ("V3",), "half", ("etcd", "key")),
    Exercise("04.2", "write lock(etcd, who): True if `who` now holds the lock /lab/lock, False if "
             "somebody else does; a holder that dies loses it within 10 s", "function", hold_lock,
             ("between a look and a write somebody else may write: look and write in one call",
              "a transaction compares first; a key that does not exist has create_revision 0",
              "grant a lease of 10 s and put the key with it"),
             ("V2",), "open", ("etcd", "who")),
    Exercise("04.3", "write changed(etcd, old, new): the set of the keys under /lab/ that are not "
             "the same at the two revisions", "function", find_changed,
             ("what is there at a revision? range(b'/lab/', b'/lab0', revision=…)",
              "a key that came and went between the two is the same at both: absent",
              "compare key and mod_revision of both answers"),
             ("V3",), "transfer", ("etcd", "old", "new")),
)  # fmt: skip
