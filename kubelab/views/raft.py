"""The raft view: who may decide?

The members of an etcd in a ring, each with its role, term, vote and the timer that runs down; their
logs as strips, an entry dashed until a majority has it; a scale that says how many agree and how
many must. A step is one message that arrives or is lost, or one timer. Works on an `EtcdCluster`
and on a whole cluster. What members held in memory in the past is replayed (`past.py`).

In Kubernetes: `etcdctl endpoint status -w table` shows role, term and index of each member.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.sim.kernel import Event
from kubelab.views import ring, sweeps
from kubelab.views.cursor import Cursor
from kubelab.views.kind import Side
from kubelab.views.past import world_at
from kubelab.views.picture import Picture
from kubelab.views.view import Kind, View
from kubelab.views.words import Table, Words, listed, plural

ENTRIES = 12
BEATS = ("heartbeat", "heartbeat_result", "heartbeat_timeout")
TALK = ("request_pre_vote", "pre_vote_result", "request_vote", "vote_result", "append_entries",
        "append_result", "forward_proposal", "install_snapshot", "timeout_now", "read_index",
        "read_index_result")  # fmt: skip
TIMERS = ("election_timeout", "campaign_now")
WRITES = ("put", "txn", "delete_range")


def show(
    cluster: Any,
    *,
    beats: bool = False,
    by: str = "message",
    play: bool = False,
    projector: bool = False,
) -> View:
    """The members of an etcd and what they agree on; `beats` takes in heartbeats."""
    return View(cluster, KIND, {"beats": beats}, by=by, play=play, projector=projector)


def is_stop(event: Event, by: str, options: dict[str, Any]) -> bool:
    """By decision: who leads has changed, or an entry is agreed on; by message all talk."""
    target, verb, detail = event.target, event.verb, event.detail
    if target == "faults":
        named = [*(detail.get("stopped") or ()), *(detail.get("started") or ())]
        cut = [name for group in detail.get("groups") or () for name in group]
        about = [*named, *cut, *(detail.get("between") or ()), str(detail.get("member", ""))]
        return verb == "heal" or any(name.startswith("etcd-") for name in about)
    if not target.startswith("etcd-"):
        return target == "you/etcd" and verb in ("call", "answered")
    turned = "role" in detail and detail.get("role") != detail.get("was") and verb != "start"
    if turned or "overwritten" in detail or detail.get("timed_out"):
        return True
    if verb == "apply":
        return bool(detail.get("method")) if by != "message" else True
    if by != "message":
        return False
    if verb in BEATS:
        return bool(options.get("beats"))
    if verb == "undelivered":
        return str(detail.get("client", "")).startswith("etcd-") and (
            options.get("beats") or detail.get("lost") not in BEATS
        )
    return verb in TALK or verb in TIMERS or (verb in WRITES and "index" in detail)


def matters(cluster: Any, by: str, options: dict[str, Any]) -> Callable[[Event], bool]:
    """The test for the view's stops."""
    return lambda event: is_stop(event, by, options)


def frame(cluster: Any, cursor: Cursor, options: dict[str, Any]) -> dict[str, Any]:
    """What there is to see: the members, their logs, and who must agree."""
    world = world_at(cluster, cursor.event)
    found = sorted(
        (part for name, part in world.components.items() if name.startswith("etcd-")),
        key=lambda part: part.name,
    )
    leader = max(
        (part for part in found if not part.stopped and part.raft.role == "leader"),
        key=lambda part: part.raft.term, default=None,
    )  # fmt: skip
    committed = max((part.raft.commit for part in found), default=0)
    members = [_member(part, world.now, committed) for part in found]
    voters = max((len(part.raft.voters) for part in found), default=1)
    quorum = voters // 2 + 1
    links = world.links
    cut = [
        [a["name"], b["name"]]
        for at, a in enumerate(members)
        for b in members[at + 1 :]
        if links.is_cut(a["name"], b["name"])
    ]
    running = [m["name"] for m in members if m["role"] != "stopped"]
    together = max((_reach(name, running, cut) for name in running), default=0)
    event = cluster.trace[cursor.focus - 1] if cursor.focus else None
    return {
        "revision": max((part.store.revision for part in found), default=0),
        "focus": cursor.focus,
        "members": members,
        "leader": leader.name if leader is not None else "",
        "term": max((m["term"] for m in members), default=0),
        "committed": committed,
        "voters": voters,
        "quorum": quorum,
        "together": together,
        "able": together >= quorum,
        "cut": cut,
        "message": _message(event) if event is not None else None,
    }


def _reach(name: str, running: list[str], cut: list[list[str]]) -> int:
    return sum(
        other == name or ([name, other] not in cut and [other, name] not in cut)
        for other in running
    )


def _member(part: Any, now: int, committed: int) -> dict[str, Any]:
    raft, log = part.raft, part.raft.log
    due = None if part.stopped else part.raft_due
    whole = raft.timeout_ns if raft.role != "leader" else 100_000_000
    left = max(due[0] - now, 0) if due is not None else 0
    entries = [
        {"index": entry.index, "term": entry.term, "agreed": entry.index <= raft.commit,
         "said": _said(entry.entry)}
        for entry in log.entries[-ENTRIES:]
    ]  # fmt: skip
    return {
        "name": part.name,
        "short": part.name.removeprefix("etcd-"),
        "role": "stopped" if part.stopped else raft.role,
        "learner": part.name in raft.learners,
        "term": raft.term,
        "vote": raft.vote,
        "votes": [] if part.stopped else [name for name, yes in raft.votes.items() if yes],
        "commit": raft.commit,
        "last": log.last_index,
        "before": log.last_index - len(entries),
        "entries": entries,
        "left_ms": left // 1_000_000,
        "share": round(min(left / whole, 1), 3) if whole and due is not None else 0,
        "timer": "" if due is None else "heartbeat" if raft.role == "leader" else "election",
    }


def _said(entry: Any) -> str:
    """An entry in a word: `put a`, `add etcd-2`, `begin`."""
    if entry is None:
        return "begin"
    if hasattr(entry, "kind"):
        return f"{entry.kind} {entry.member}"
    key = getattr(entry.request, "key", b"")
    if isinstance(key, bytes) and key:
        return f"{entry.method} {key.decode('utf-8', 'replace').rpartition('/')[2]}"
    return str(entry.method).replace("_", " ")


def _message(event: Event) -> dict[str, Any]:
    detail = event.detail
    lost = event.verb == "undelivered"
    start, end = event.actor, event.target
    verb = event.verb
    if lost:
        start, end, verb = event.target, str(detail.get("client", "")), str(detail.get("lost", ""))
    return {
        "from": start, "to": end, "lost": lost, "event": event.id,
        "verb": verb.replace("_", " "),
        "reject": bool(detail.get("reject")),
        "actor": "you" if start.startswith("you") else "etcd",
    }  # fmt: skip


def words(data: dict[str, Any]) -> Words:
    """Alt text and tables."""
    members = data["members"]
    leads = f"{data['leader']} leads term {data['term']}" if data["leader"] else "nobody leads"
    stopped = [m["name"] for m in members if m["role"] == "stopped"]
    alt = f"{plural(len(members), 'member')}, {leads}; entries up to {data['committed']} agreed on."
    if stopped:
        alt += f" Stopped: {listed(stopped, 7)}."
    if data["cut"]:
        alt += f" {plural(len(data['cut']), 'link')} cut."
    if not data["able"]:
        alt += (
            f" {data['together']} of {data['voters']} reach each other, {data['quorum']} are "
            "needed: nothing can be decided."
        )
    rows = tuple(
        (m["name"], m["role"], str(m["term"]), m["vote"] or "none", str(m["commit"]),
         str(m["last"]), f"{m['left_ms']} ms" if m["timer"] else "none")
        for m in members
    )  # fmt: skip
    logs = tuple(
        (m["name"], ", ".join(
            f"{e['index']} ({e['said']}, term {e['term']}{'' if e['agreed'] else ', not agreed'})"
            for e in m["entries"][-5:]))
        for m in members
    )  # fmt: skip
    heads = ("member", "role", "term", "voted for", "agreed up to", "last entry", "timer")
    return Words(alt=alt, tables=(
        Table("Members", heads, rows), Table("Ends of the logs", ("member", "entries"), logs),
    ))  # fmt: skip


def title(data: dict[str, Any]) -> str:
    """The line above the picture."""
    return f"raft · {plural(len(data['members']), 'member')}"


def inputs(data: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    """A write to watch, and the end of all cuts."""
    out: list[dict[str, Any]] = [{"type": "button", "name": "put", "label": "Put a value"}]
    names = [member["name"] for member in data["members"]]
    if len(names) > 1:
        via = options.get("via") if options.get("via") in names else "any member"
        out.append({"type": "choice", "name": "via", "label": "by way of", "value": via,
                    "options": ["any member", *names]})  # fmt: skip
    return [*out, {"type": "button", "name": "heal", "label": "Heal all links"}]


def use(view: View, name: str, value: str) -> View:
    """Puts a value without waiting for the answer, or heals; in the past in a what-if."""
    if name == "via":
        return view.change(via=value)
    where = view.fork() if view.is_past else view
    if name == "put":
        store = getattr(where.cluster, "etcd", where.cluster)
        via = where.options.get("via") or ""
        member = via if via.startswith("etcd-") else ""
        number = len(where.cluster.trace)
        store.call("put", member=member, key=b"kubelab/note", value=str(number).encode())
    elif name == "heal":
        where.cluster.faults.heal()
    else:
        raise ValueError(f"the raft view has no input {name!r}")
    return where.step() if name == "put" else where.now()


def cut(data: dict[str, Any], picture: Picture, side: Side) -> tuple[list[str], list[str]]:
    """The members on the two sides of a line."""
    at = {p.name: (p.x, p.y) for p in picture.pieces if p.key.startswith("member/")}
    return ([name for name, place in at.items() if side(*place)],
            [name for name, place in at.items() if not side(*place)])  # fmt: skip


KIND = Kind(
    "raft", title, frame, ring.draw, words, matters, inputs=inputs, use=use, cut=cut,
    sweep=sweeps.MEMBER_COUNT,
)  # fmt: skip
