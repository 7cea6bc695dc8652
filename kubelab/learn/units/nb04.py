"""04, Where does the cluster remember? Revisions, watches from the past, compaction."""

from __future__ import annotations

from typing import Any

from kubelab.cluster import Cluster
from kubelab.etcd.records import EtcdError
from kubelab.learn import traces, worlds
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.tasks04 import EXERCISES

NOTE = "/registry/configmaps/default/note"
# What other parts ask an etcd member for; Raft's own messages are not among them.
CALLS = ("range", "put", "txn", "delete_range", "watch", "lease_grant", "compact")


def note(n: int) -> dict[str, Any]:
    """The ConfigMap whose life is followed."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "note"},
        "data": {"n": str(n)},
    }


def live(c: Any) -> None:
    """Makes the note, changes it twice, deletes it: four revisions."""
    for n in (1, 2, 3):
        c.apply(note(n))
    c.delete("ConfigMap", "note")


def start(seed: int) -> Cluster:
    """A cluster in which the note has lived."""
    c = worlds.cluster(1, seed, dns=False)
    live(c)
    return c


def life(c: Any) -> list[tuple[int, int]]:
    """(revision, event) of the last note's writes, from its making to its deletion."""
    found: list[tuple[int, int]] = []
    for event in traces.stored(c, 0, NOTE):
        if event.detail["change"] == "create":
            found = []
        found.append((event.detail["revision"], event.id))
    return found if len(found) >= 4 else []


# Moments.


def as_of(c: Any) -> str | None:
    """What the note was at its second revision, asked now."""
    rows = life(c)
    if not rows:
        return None
    try:
        kvs = c.fork().etcd.range(NOTE.encode(), revision=rows[1][0]).kvs
    except EtcdError:
        return "error"
    if not kvs:
        return "nothing"
    return "then" if b'"n":"2"' in kvs[0].value else "last"


def tell_as_of(c: Any) -> str:
    """The four revisions."""
    rows = life(c)
    numbers = ", ".join(str(revision) for revision, _ in rows)
    return (
        f"Four writes, four revisions: {numbers}. Asked for revision {rows[1][0]}, etcd answers "
        "what was so then: n is 2. That the note is gone now is another revision."
    )


def second_write(c: Any) -> tuple[int, ...]:
    """The event of the second write."""
    rows = life(c)
    return (rows[1][1],) if rows else ()


def watched(c: Any, canceled: bool) -> tuple[int, int]:
    """The user's last watch of the note from its beginning: its event, how many changes it told.

    With `canceled` only one that etcd has refused counts, else only one that it has served.
    """
    rows = life(c)
    began = told = 0
    for event in traces.after(c, 0):
        detail = event.detail
        if event.verb == "watch" and event.actor == "you/etcd" and detail.get("key") == NOTE:
            began, told = (event.id, -1) if rows and detail["start"] <= rows[0][0] else (0, -1)
        elif event.verb == "watch_response" and event.target == "you/etcd" and began:
            if bool(detail.get("canceled")) == canceled and (canceled or detail["events"]):
                told = detail["events"]
    return (began, told) if told >= 0 else (0, 0)


def replayed(c: Any) -> str | None:
    """What a watch from the note's first revision told."""
    began, told = watched(c, canceled=False)
    if not began:
        return None
    return {1: "last", len(life(c)): "all"}.get(told, "some")


def tell_replayed(c: Any) -> str:
    """How many changes came, though nothing happened any more."""
    _, told = watched(c, canceled=False)
    return (
        f"{told} changes came, in their order: three PUTs and a DELETE. A watch stands at a "
        "revision, not at a time; who slept goes on where he stopped."
    )


def stage_replayed(seed: int) -> Cluster:
    """A watch that begins at the note's first revision, after its end."""
    c = start(seed)
    c.etcd.watch(NOTE.encode(), start_revision=life(c)[0][0])
    c.run(1)
    return c


def forgotten(c: Any) -> str | None:
    """What became of such a watch once its past had been compacted."""
    began, _ = watched(c, canceled=True)
    compacted = traces.last(c, lambda e: e.verb == "compact" and e.target.startswith("etcd"))
    return "told" if began and compacted and began > compacted else None


def tell_forgotten(c: Any) -> str:
    """The compaction, and the answer."""
    return (
        "etcd ends the watch and says up to which revision it has forgotten. So the watcher knows "
        "that it has missed something, reads everything anew, and watches from there."
    )


def compaction(c: Any) -> tuple[int, ...]:
    """The compaction."""
    event = traces.last(c, lambda e: e.verb == "compact" and e.target.startswith("etcd"))
    return (event,) if event else ()


def stage_forgotten(seed: int) -> Cluster:
    """The past of the note is compacted, then it is asked for."""
    c = start(seed)
    c.etcd.compact(life(c)[-1][0])
    c.etcd.watch(NOTE.encode(), start_revision=life(c)[0][0])
    c.run(1)
    return c


def callers(c: Any) -> str | None:
    """Who sent calls to etcd until the three pods of a Deployment ran."""
    if len(worlds.ready_pods(c, "app=web")) < 3:
        return None
    made = traces.last(
        c,
        lambda e: (
            e.verb == "txn"
            and e.detail.get("key") == "/registry/deployments/default/web"
            and e.detail.get("change") == "create"
        ),
    )
    return "server" if set(_calls(c, made)) == {"apiserver-1"} else "all"


def _calls(c: Any, since: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for event in traces.after(c, since):
        if event.target == "etcd-1" and event.verb in CALLS and not event.actor.startswith("you"):
            counts[event.actor] = counts.get(event.actor, 0) + 1
    return counts


def tell_callers(c: Any) -> str:
    """How many calls, and from whom."""
    counts = _calls(c, 0)
    said = ", ".join(f"{count} from {name}" for name, count in counts.items())
    return (
        f"Calls to etcd since the cluster began: {said}. Kubelets, scheduler and controllers have "
        "asked the API server, which alone knows how objects lie in etcd."
    )


def stage_callers(seed: int) -> Cluster:
    """A Deployment of three pods, until they run."""
    c = worlds.cluster(2, seed, dns=False)
    c.apply(worlds.deployment("web", 3))
    c.settle()
    return c


MOMENTS = (
    Moment(
        "04.a", "note is made (n: 1), changed to 2 and to 3, and deleted. Now etcd is asked for "
        "note as of the revision of the second write. What does it answer?",
        (
            Option("nothing", "nothing: note has been deleted", "M03"),
            Option("last", "n: 3, the last state that it had", "M03"),
            Option("then", "n: 2, as it was then"),
            Option("error", "an error: etcd keeps only what is so now", "M04"),
        ),
        as_of, tell_as_of, start, second_write,
        why="Which event wrote what etcd answers with?",
        todo="make, change and delete the note",
    ),
    Moment(
        "04.b", "Nothing happens any more. Somebody opens a watch on note now, from the revision "
        "of its making. What does it deliver?",
        (
            Option("none", "nothing: the changes are over, and were missed", "M03"),
            Option("all", "all four changes, in order"),
            Option("last", "one change: the last one", "M03"),
            Option("some", "the present state, again and again", "M06"),
        ),
        replayed, tell_replayed, stage_replayed,
        todo="open a watch from the first revision and run on for a second",
    ),
    Moment(
        "04.c", "The history before the deletion is compacted. The same watch is opened again. "
        "And now?",
        (
            Option("all", "the four changes again: what is written stays", "M08"),
            Option("silent", "only what comes later, and nobody says that something is missing",
                   "M03"),
            Option("told", "it is ended, with the revision up to which all is forgotten"),
            Option("down", "etcd stops: its history has a hole", "M08"),
        ),
        forgotten, tell_forgotten, stage_forgotten, compaction,
        why="Which event made the past unreadable?",
        todo="compact, open the watch again, and run on for a second",
    ),
    Moment(
        "04.d", "A Deployment of three pods is created and comes up. Who sends calls to etcd "
        "meanwhile?",
        (
            Option("all", "all parts: each keeps its own state there", "M04"),
            Option("nodes", "the API server, and the kubelets for their status", "M04"),
            Option("server", "the API server, nobody else"),
            Option("brain", "the API server, the scheduler and the controllers", "M10"),
        ),
        callers, tell_callers, stage_callers,
        todo="create the Deployment and let it come up",
    ),
)  # fmt: skip


UNIT = Unit(
    "04",
    "Where does the cluster remember?",
    40,
    MOMENTS,
    EXERCISES,
    ("S07",),
    ("M03", "M04"),
)
