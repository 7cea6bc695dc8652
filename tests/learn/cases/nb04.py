"""What is tried on the exercises of notebook 04."""

from __future__ import annotations

from typing import Any

from kubelab.etcd.records import EtcdError
from kubelab.learn.units.tasks04 import LOCK, take
from tests.learn.case import Case, always


def by_watch(etcd: Any, key: bytes) -> list[Any]:
    """A watch from the beginning."""
    watch = etcd.watch(key, start_revision=1)
    etcd.run(1)
    return [
        (event.kv.mod_revision, event.kv.value if event.type == "PUT" else None)
        for response in watch.responses
        for event in response.events
    ]


def by_ranges(etcd: Any, key: bytes) -> list[Any]:
    """One look at each revision."""
    rows: list[Any] = []
    before = None
    for revision in range(1, etcd.range(key).header.revision + 1):
        kvs = etcd.range(key, revision=revision).kvs
        now = (kvs[0].mod_revision, kvs[0].value) if kvs else None
        if now != before:
            rows.append(now or (revision, None))
        before = now
    return rows


def only_now(etcd: Any, key: bytes) -> list[Any]:
    """What is there at the end."""
    return [(kv.mod_revision, kv.value) for kv in etcd.range(key).kvs]


def no_deletions(etcd: Any, key: bytes) -> list[Any]:
    """The writes alone."""
    return [row for row in by_watch(etcd, key) if row[1] is not None]


def locked(etcd: Any, who: str) -> bool:
    """As it should be."""
    return take(etcd, who.encode())


def by_version(etcd: Any, who: str) -> bool:
    """The comparison on the version, after a look that may be old."""
    if etcd.range(LOCK).kvs:
        return False
    lease = etcd.lease_grant(5).ID
    free = [{"key": LOCK, "target": "VERSION", "result": "EQUAL", "version": 0}]
    put = [{"request_put": {"key": LOCK, "value": who.encode(), "lease": lease}}]
    return bool(etcd.txn(free, put, []).succeeded)


def look_then_put(etcd: Any, who: str) -> bool:
    """Two calls, between which somebody else may come."""
    if etcd.range(LOCK).kvs:
        return False
    etcd.put(LOCK, who.encode(), lease=etcd.lease_grant(10).ID)
    return True


def for_ever(etcd: Any, who: str) -> bool:
    """No lease: a dead holder holds it for ever."""
    free = [{"key": LOCK, "target": "VERSION", "result": "EQUAL", "version": 0}]
    put = [{"request_put": {"key": LOCK, "value": who.encode()}}]
    return bool(etcd.txn(free, put, []).succeeded)


def by_two_ranges(etcd: Any, old: int, new: int) -> set[bytes]:
    """Both states, compared."""
    then, now = (
        {kv.key: kv.mod_revision for kv in etcd.range(b"/lab/", b"/lab0", revision=at).kvs}
        for at in (old, new)
    )
    return {key for key in {*then, *now} if then.get(key) != now.get(key)}


def by_changes(etcd: Any, old: int, new: int) -> list[bytes]:
    """The changes between, without what came and went."""
    watch = etcd.watch(b"/lab/", b"/lab0", start_revision=old + 1)
    etcd.run(1)
    events = [event for response in watch.responses for event in response.events]
    keys = [event.kv.key for event in events if event.kv.mod_revision <= new]
    here = {kv.key for kv in etcd.range(b"/lab/", b"/lab0", revision=new).kvs}
    there = {kv.key for kv in etcd.range(b"/lab/", b"/lab0", revision=old).kvs}
    return [key for key in keys if key in here or key in there]


def all_changes(etcd: Any, old: int, new: int) -> set[bytes]:
    """What came and went is named too, and what changed later."""
    watch = etcd.watch(b"/lab/", b"/lab0", start_revision=old + 1)
    etcd.run(1)
    return {event.kv.key for response in watch.responses for event in response.events}


def only_new(etcd: Any, old: int, new: int) -> set[bytes]:
    """What is gone is not seen."""
    try:
        kvs = etcd.range(b"/lab/", b"/lab0", revision=new, min_mod_revision=old + 1).kvs
    except EtcdError:
        return set()
    return {kv.key for kv in kvs}


CASES = {
    "04.1": Case(always(lambda etcd, key: ...),
                 {"watch": always(by_watch), "ranges": always(by_ranges)},
                 {"only now": always(only_now), "no deletions": always(no_deletions)}),
    "04.2": Case(always(lambda etcd, who: ...),
                 {"create": always(locked), "version": always(by_version)},
                 {"look, then put": always(look_then_put), "no lease": always(for_ever),
                  "always": always(lambda etcd, who: True)}),
    "04.3": Case(always(lambda etcd, old, new: ...),
                 {"ranges": always(by_two_ranges), "changes": always(by_changes)},
                 {"all changes": always(all_changes), "only new": always(only_new)}),
}  # fmt: skip
