"""05, How many must agree? Elections, majorities, and a write on the wrong side of a cut."""

from __future__ import annotations

from typing import Any

from kubelab.etcd.cluster import EtcdCluster
from kubelab.etcd.member import Member
from kubelab.etcd.records import EtcdError
from kubelab.learn import traces
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.tasks05 import EXERCISES, writable

ORDER = b"/order"


def members(e: Any) -> dict[str, Any]:
    """The members of an etcd, by name."""
    parts = e.history.world.components
    return {name: part for name, part in parts.items() if isinstance(part, Member)}


def started(count: int, seed: int) -> EtcdCluster:
    """An etcd that has a leader."""
    e = EtcdCluster(count, seed=seed)
    e.run_until(lambda etcd: bool(etcd.leader), 10)
    e.run(1)
    return e


# Moments.


def first_leader(e: Any) -> tuple[int, int]:
    """The first timer that ended without a leader, and the event that made a leader; 0 if none."""
    timer = lead = 0
    for event in traces.after(e, 0):
        if event.verb == "election_timeout" and not timer:
            timer = event.id
        if event.detail.get("role") == "leader":
            lead = event.id
            break
    return (timer, lead) if timer and lead and len(members(e)) > 1 else (0, 0)


def chosen(e: Any) -> str | None:
    """Why the first leader was chosen."""
    timer, lead = first_leader(e)
    if not lead:
        return None
    return "timer" if e.trace[timer - 1].target == e.trace[lead - 1].target else "vote"


def tell_chosen(e: Any) -> str:
    """Who asked first, and after how long."""
    timer, lead = first_leader(e)
    asked, won = e.trace[timer - 1], e.trace[lead - 1]
    waited = (asked.ns - e.trace[0].ns) / 1e9
    return (
        f"{asked.target} lost its patience first, {waited:.1f} s after the start, and "
        f"asked the others; {won.target} became leader of term {won.detail['term']}."
    )


def cause_chosen(e: Any) -> tuple[int, ...]:
    """The timer."""
    timer, _ = first_leader(e)
    return (timer,) if timer else ()


def stage_chosen(seed: int) -> EtcdCluster:
    """Three members, until one leads."""
    return started(3, seed)


def stopped(e: Any) -> list[str]:
    """The members that are stopped."""
    return [name for name, part in members(e).items() if part.stopped]


def alone(e: Any) -> str | None:
    """What one of three can do."""
    if len(members(e)) != 3 or len(stopped(e)) != 2:
        return None
    twin = e.fork()
    twin.run(3)
    if writable(twin):
        return "all"
    try:
        twin.range(ORDER)
        return "reads"
    except EtcdError:
        pass
    return "old" if _serves_old(twin) else "nothing"


def _serves_old(e: Any) -> bool:
    try:
        return e.range(ORDER, serializable=True) is not None
    except EtcdError:
        return False


def tell_alone(e: Any) -> str:
    """The error, and what is served all the same."""
    twin = e.fork()
    twin.run(3)
    try:
        twin.put(ORDER, b"?")
        said = "it is accepted"
    except EtcdError as error:
        said = error.message
    return (
        f"A write ends with: {said}. One of three is no majority, so nobody can promise that a "
        "write will last, or that a reading is the newest. `serializable` asks for what may be old."
    )


def stage_alone(seed: int) -> EtcdCluster:
    """Two of three members are stopped."""
    e = started(3, seed)
    e.put(ORDER, b"1")
    e.faults.stop(*[name for name in members(e) if name != "etcd-1"][:2])
    e.run(3)
    return e


def cut_off(e: Any) -> tuple[int, int, str]:
    """A cut 2 against 3 with the leader among the two: the cut, the write sent to it, its name."""
    cut = traces.last(
        e,
        lambda event: (
            event.verb == "partition"
            and sorted(len(group) for group in event.detail.get("groups", ())) == [2, 3]
        ),
    )
    if not cut:
        return 0, 0, ""
    small = next(group for group in e.trace[cut - 1].detail["groups"] if len(group) == 2)
    for event in traces.after(e, cut):
        detail = event.detail
        if event.verb == "call" and detail.get("method") == "put" and detail["member"] in small:
            return cut, event.id, str(detail["member"])
    return 0, 0, ""


def orphaned(e: Any) -> str | None:
    """What became of a write that the leader of the smaller side took."""
    _, write, _ = cut_off(e)
    healed = traces.last(e, lambda event: event.verb == "heal")
    if not write or healed < write or traces.seconds(e, healed, len(e.trace)) < 2:
        return None
    key = str(e.trace[write - 1].detail["key"]).encode()
    told = any(
        event.verb == "answered" and event.target == "you/etcd"
        and event.detail.get("method") == "put" and "error" not in event.detail
        and event.cause and write in traces.ancestors(e, event.id)
        for event in traces.after(e, write)
    )  # fmt: skip
    there = bool(e.fork().range(key).kvs)
    if there:
        return "kept"
    return "lied" if told else "gone"


def tell_orphaned(e: Any) -> str:
    """The leader that stood down, and the one that took over."""
    cut, _, name = cut_off(e)
    down = traces.first(
        e, cut, lambda v: v.target == name and v.detail.get("was") == "leader"
    )  # fmt: skip
    up = traces.first(e, cut, lambda v: v.detail.get("role") == "leader" and v.target != name)
    first = f"{name} wrote it into its own log only, and nobody was told that it is done. "
    if down is not None and up is not None:
        waited = (down.ns - e.trace[cut - 1].ns) / 1e9
        first += (
            f"After {waited:.1f} s without a majority it stood down; {up.target} led the other "
            "three. "
        )
    return first + "When the links were mended, its log was put right after the new leader's."


def cause_orphaned(e: Any) -> tuple[int, ...]:
    """The cut."""
    cut, _, _ = cut_off(e)
    return (cut,) if cut else ()


def stage_orphaned(seed: int) -> EtcdCluster:
    """Five members, the leader with one other on the smaller side, a write to it, then peace."""
    e = started(5, seed)
    lead = e.leader or ""
    others = [name for name in members(e) if name != lead]
    e.faults.partition([lead, others[0]], others[1:])
    e.call("put", member=lead, key=ORDER, value=b"on the wrong side")
    e.run(6)
    e.faults.heal()
    e.run(4)
    return e


def four(e: Any) -> str | None:
    """How many of four may fail."""
    if len(members(e)) != 4 or len(stopped(e)) != 2:
        return None
    twin = e.fork()
    twin.run(5)
    return "two" if writable(twin) else "one"


def tell_four(e: Any) -> str:
    """The sum."""
    return (
        f"{len(stopped(e))} of 4 are stopped: 2 are left, and a majority of 4 is 3. A fourth "
        "member must be asked, too, and lets no more fail than three do."
    )


def stage_four(seed: int) -> EtcdCluster:
    """Two of four members are stopped."""
    e = started(4, seed)
    e.faults.stop("etcd-2", "etcd-3")
    e.run(5)
    return e


MOMENTS = (
    Moment(
        "05.a", "Three members have just started, none leads yet. Which one will lead?",
        (
            Option("first", "etcd-1: the first one is in charge", "M09"),
            Option("timer", "the one whose own waiting time is over first, if the others agree"),
            Option("central", "the one that the API server names", "M01"),
            Option("all", "all three at once: more members, more speed", "M07"),
        ),
        chosen, tell_chosen, stage_chosen, cause_chosen,
        why="Which event set the election off?",
        todo="let the members run until one leads",
    ),
    Moment(
        "05.b", "Two of three members are stopped. What can the third one do?",
        (
            Option("all", "everything, more slowly: it has all data", "M07"),
            Option("reads", "read as before, but not write", "M04"),
            Option("old", "neither write nor read, but hand out what it knows to whoever may have "
                   "old data"),
            Option("nothing", "nothing: the data are lost", "M08"),
        ),
        alone, tell_alone, stage_alone,
        todo="stop two of three members and run on for three seconds",
    ),
    Moment(
        "05.c", "Five members; the leader and one more are cut off from the other three. A client "
        "sends the old leader a write; later the links are mended. What becomes of the write?",
        (
            Option("kept", "it is kept: the leader had it", "M09"),
            Option("gone", "it is never confirmed, and gone"),
            Option("lied", "it is confirmed, and gone later", "M08"),
            Option("merged", "both sides' writes are merged", "M07"),
        ),
        orphaned, tell_orphaned, stage_orphaned, cause_orphaned,
        why="Which event decided that it could not last?",
        todo="cut 2 from 3, send a put to the leader, mend the links and run on",
    ),
    Moment(
        "05.d", "Somebody wants more safety and makes four members of three. How many may fail "
        "now, so that writes go on?",
        (
            Option("one", "one, as with three"),
            Option("two", "two: one more than with three", "M07"),
            Option("three", "three: the last one has all data", "M07"),
            Option("none", "none: with an even number nobody can win", "M09"),
        ),
        four, tell_four, stage_four,
        todo="stop two of four members and run on for five seconds",
    ),
)  # fmt: skip


UNIT = Unit(
    "05",
    "How many must agree?",
    45,
    MOMENTS,
    EXERCISES,
    ("S08", "S09"),
    ("M07", "M08", "M09"),
)
