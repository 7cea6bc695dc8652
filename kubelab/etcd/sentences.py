"""What a member did, in one plain sentence each: read from the event's detail only.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from collections.abc import Callable

from kubelab.etcd import raftwords
from kubelab.sim.kernel import Event
from kubelab.sim.tree import Obj


def tell(event: Event) -> str:
    """The sentence about an event that a member handled."""
    if event.actor == "you/etcd":
        event = event._replace(actor="you")
    detail = event.detail
    if event.verb in raftwords.WORDS:
        return raftwords.tell(event)
    if "error" in detail:
        words = str(detail["error"]).removeprefix("etcdserver: ")
        return f"etcd refuses {_whose(event.actor)} {event.verb.replace('_', ' ')}: {words}."
    waits = raftwords.waiting(event)
    if waits:
        return waits
    words_for = WORDS.get(event.verb)
    if words_for is None:
        return f"etcd hears {event.verb.replace('_', ' ')} from {event.actor}."
    return words_for(event, detail)


def _whose(actor: str) -> str:
    return "your" if actor == "you" else f"{actor}'s"


def _asks(actor: str) -> str:
    return "you ask" if actor == "you" else f"{actor} asks"


def _woken(detail: Obj) -> str:
    """Who was woken, in words, or nothing."""
    names = ["you" if name == "you/etcd" else name for name in detail.get("woken", ())]
    return " and ".join(names)


def _waking(detail: Obj) -> str:
    names = _woken(detail)
    if not names:
        return ""
    many = names == "you" or " and " in names
    return f" and wakes {names}, {'who watch' if many else 'which watches'} it"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _range(event: Event, detail: Obj) -> str:
    at = detail.get("at") or detail.get("revision")
    found = _many(detail.get("count", 0), "key")
    return f"etcd reads {detail.get('key')} at revision {at} for {event.actor}: {found}."


def _written(detail: Obj) -> str:
    verb = {"create": "stores new", "update": "stores", "delete": "deletes"}
    what = f"{verb[detail['change']]} {detail['key']}"
    more = len(detail.get("keys", ())) - 1
    if more > 0:
        what += f" and {_many(more, 'more key')}"
    return f"etcd {what} as revision {detail['revision']}"


def _write(event: Event, detail: Obj) -> str:
    if "change" not in detail:
        return f"etcd finds nothing to delete at {detail.get('key')}, so no revision is made."
    return f"{_written(detail)}{_waking(detail)}."


def _txn(event: Event, detail: Obj) -> str:
    key = detail.get("compared")
    if not detail.get("succeeded", True):
        if "expected" in detail:
            found, expected = detail.get("found"), detail.get("expected")
            now = f"is at revision {found}" if found else "does not exist"
            than = f"not {expected}" if expected else "and it should not exist"
            return f"etcd refuses {_whose(event.actor)} write because {key} {now}, {than}."
        return f"etcd takes the other branch because this does not hold: {detail.get('compare')}."
    if "change" not in detail:
        return f"etcd only reads for {event.actor} at revision {detail.get('revision')}."
    because = ""
    if "expected" in detail:
        expected = detail["expected"]
        because = (
            f" because it was still at revision {expected}"
            if expected
            else " because no such key existed"
        )
    return f"{_written(detail)}{because}{_waking(detail)}."


def _watch(event: Event, detail: Obj) -> str:
    start = detail.get("start")
    since = f"revision {start}" if start else "now"
    return f"etcd will tell {event.actor} about changes of {detail.get('key')} from {since} on."


def _catch_up(event: Event, detail: Obj) -> str:
    woken = _woken(detail) or "nobody"
    return f"etcd sends history to those whose watches are behind: {woken}."


def _expire(event: Event, detail: Obj) -> str:
    leases = len(detail.get("leases", ()))
    if not leases:
        return "etcd looks for leases that ran out and finds none."
    if "change" in detail:
        return f"{_written(detail)} because its lease ran out{_waking(detail)}."
    return f"etcd ends {_many(leases, 'lease')} that ran out; no key hung on it."


def _start(event: Event, detail: Obj) -> str:
    term, revision = detail.get("term"), detail.get("revision")
    as_what = "leader" if detail.get("role") in ("leader", None) else "follower"
    return f"etcd starts as {as_what} of term {term}, with its store at revision {revision}."


def _watches(detail: Obj) -> str:
    count = detail.get("watches", 0)
    return "its watch ends" if count == 1 else f"its {count} watches end"


def _lost(event: Event, detail: Obj) -> str:
    client = detail.get("client")
    if not detail.get("watches"):
        return f"etcd cannot reach {client}."
    return f"etcd cannot reach {client}, so {_watches(detail)}."


WORDS: dict[str, Callable[[Event, Obj], str]] = {
    "range": _range,
    "put": _write,
    "delete_range": _write,
    "txn": _txn,
    "watch": _watch,
    "catch_up": _catch_up,
    "expire": _expire,
    "start": _start,
    "undelivered": _lost,
    "compact": lambda e, d: (
        f"etcd forgets all history before revision {d.get('compacted')} because {_asks(e.actor)}."
    ),
    "lease_grant": lambda e, d: f"etcd grants {e.actor} a lease of {d.get('ttl')} seconds.",
    "lease_keep_alive": lambda e, d: (
        f"etcd renews {_whose(e.actor)} lease for {d.get('ttl')} seconds."
        if d.get("ttl")
        else f"etcd cannot renew {_whose(e.actor)} lease because it is gone."
    ),
    "lease_revoke": lambda e, d: (
        f"{_written(d)} because its lease was revoked{_waking(d)}."
        if "change" in d
        else "etcd ends a lease; no key hung on it."
    ),
    "lease_time_to_live": lambda e, d: f"etcd tells {e.actor} how long a lease has left.",
    "lease_leases": lambda e, d: f"etcd lists all leases for {e.actor}.",
    "status": lambda e, d: f"etcd tells {e.actor} how it is.",
    "member_list": lambda e, d: f"etcd tells {e.actor} who its members are.",
    "snapshot": lambda e, d: f"etcd gives {e.actor} a copy of the whole store.",
    "watch_cancel": lambda e, d: f"etcd ends a watch because {_asks(e.actor)}.",
    "watch_progress": lambda e, d: f"etcd tells {e.actor} how far its watches are.",
    "alarm": lambda e, d: f"etcd is asked by {e.actor} about alarms.",
    "hash_kv": lambda e, d: f"etcd gives {e.actor} a checksum of all it holds.",
    "defragment": lambda e, d: "etcd gives back the space that nothing uses any more.",
    "notify_progress": lambda e, d: "etcd tells a quiet watch how far it is.",
    "disconnect": lambda e, d: f"etcd loses its connection to {e.actor}, so {_watches(d)}.",
}
