"""17, What happens when machines die? Silence, patience, replacements, and what runs on unseen."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get, name_of
from kubelab.cluster import Cluster
from kubelab.learn import traces, worlds
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.tasks17 import EXERCISES

SHOP = [worlds.deployment("web", 3), worlds.service("web"), worlds.client()]
NODES, PODS = "/registry/minions/", "/registry/pods/default/"


def start(seed: int) -> Cluster:
    """A shop of three pods on three nodes, its Service, and a client."""
    c = worlds.cluster(3, seed)
    c.apply(SHOP)
    c.settle()
    return c


def victim(c: Any) -> str:
    """A node that holds a web pod, and not the client."""
    client = worlds.found(c, "Pod", "client")["spec"]["nodeName"]
    pods = [p["spec"]["nodeName"] for p in worlds.ready_pods(c, "app=web")]
    return next(str(node) for node in pods if node != client)


# Moments.


def power_off(c: Any) -> tuple[int, str]:
    """The last time that a node lost its power: the event, and the node."""
    event = traces.last(
        c, lambda e: e.target == "faults" and e.verb == "halt" and bool(e.detail.get("node"))
    )
    return (event, str(c.trace[event - 1].detail["node"])) if event else (0, "")


def doubted(c: Any) -> int:
    """The event in which the lost node was first called NotReady; 0 if not yet."""
    off, node = power_off(c)
    if not off:
        return 0
    found = traces.first(
        c, off,
        lambda e: (
            e.verb == "request" and e.actor.startswith("controller-manager")
            and e.detail.get("kind") == "Node" and e.detail.get("name") == node
            and e.detail.get("subresource") == "status"
        ),
    )  # fmt: skip
    return found.id if found is not None else 0


def replaced(c: Any) -> int:
    """The event in which a pod was made for the one on the lost node; 0 if not yet."""
    off, _ = power_off(c)
    made = traces.created(c, off) if off else []
    return made[0].id if made else 0


def silence(c: Any) -> str | None:
    """How long it took until the node was called NotReady."""
    off, _ = power_off(c)
    seen = doubted(c)
    if not seen:
        return None
    seconds = traces.seconds(c, off, seen)
    return (
        "once" if seconds < 5 else "beat" if seconds < 20 else "grace" if seconds < 90 else "five"
    )


def tell_silence(c: Any) -> str:
    """The seconds."""
    off, node = power_off(c)
    return (
        f"{node} was called NotReady {traces.seconds(c, off, doubted(c)):.0f} s after its power "
        "went. Its kubelet renews a lease every 10 s; the node controller waits for 50 s of "
        "silence, counted from the last sign of life."
    )


def cause_silence(c: Any) -> tuple[int, ...]:
    """The look that found the node late: what made the controller write."""
    seen = doubted(c)
    cause = c.trace[seen - 1].cause if seen else None
    return (cause, seen) if cause else ()


def stage_off(seconds: float) -> Any:
    """A maker of a cluster in which a node lost its power so many seconds ago."""

    def stage(seed: int) -> Cluster:
        c = start(seed)
        c.faults.stop_node(victim(c))
        c.run(seconds)
        return c

    return stage


def patience(c: Any) -> str | None:
    """When the replacement was made."""
    off, _ = power_off(c)
    made = replaced(c)
    if not made:
        return None
    seconds = traces.seconds(c, off, made)
    return "once" if seconds < 20 else "notready" if seconds < 120 else "late"


def tell_patience(c: Any) -> str:
    """The seconds, and the old pod."""
    off, node = power_off(c)
    old = [
        name_of(p)
        for p in c.moment().list("Pod", "default", "app=web")
        if get(p, "spec", "nodeName") == node
    ]
    return (
        f"The replacement was made {traces.seconds(c, off, replaced(c)):.0f} s after the power "
        f"went: 300 s after the node's taint, since each pod tolerates it for so long. "
        f"{', '.join(old) or 'The old pod'} is marked for deletion, and stays till {node} is heard."
    )


def cut_off(c: Any) -> tuple[int, str]:
    """The last time that a kubelet was cut from the rest: the event, and its node."""

    def holds(e: Any) -> bool:
        groups = e.detail.get("groups", ())
        return e.verb == "partition" and any(
            str(one).startswith("kubelet/") for group in groups for one in group
        )

    event = traces.last(c, holds)
    if not event:
        return 0, ""
    names = [str(one) for group in c.trace[event - 1].detail["groups"] for one in group]
    return event, next(one for one in names if one.startswith("kubelet/")).partition("/")[2]


def apart(c: Any) -> str | None:
    """What runs, ten minutes after a node was cut off."""
    event, node = cut_off(c)
    if not event or traces.seconds(c, event, len(c.trace)) < 400:
        return None
    old = _running(c, node)
    new = bool(traces.created(c, event))
    if old and new:
        return "both"
    return "old" if old else "new" if new else "none"


def _running(c: Any, node: str) -> int:
    """How many containers of web run on a node, whoever knows of it."""
    held = c.world.components[f"runtime/{node}"].containers.values()
    return sum(box.running and box.sandbox.config.name.startswith("web-") for box in held)


def tell_apart(c: Any) -> str:
    """Both sides."""
    _, node = cut_off(c)
    ready = len(worlds.ready_pods(c, "app=web"))
    return (
        f"The API server knows of {ready} ready web pods; on {node}, which nobody hears, "
        f"{_running(c, node)} more container of web is running. Nobody can stop it from here."
    )


def stage_apart(seed: int) -> Cluster:
    """A node's kubelet is cut from the API server for ten minutes."""
    c = start(seed)
    c.faults.partition([f"kubelet/{victim(c)}"], ["apiserver-1"])
    c.run(600)
    return c


def all_silent(c: Any) -> int:
    """The event since which every kubelet is stopped; 0 if one is running."""
    parts = [part for name, part in c.world.components.items() if name.startswith("kubelet/")]
    if not parts or not all(part.stopped for part in parts):
        return 0
    return traces.last(c, lambda e: e.target == "faults" and e.verb == "halt")


def nobody(c: Any) -> str | None:
    """How many pods were evicted while no node was heard of."""
    since = all_silent(c)
    if not since or traces.seconds(c, since, len(c.trace)) < 400:
        return None
    return "all" if _evicted(c, since) else "kept"


def _evicted(c: Any, since: int) -> int:
    return len([e for e in traces.writes(c, since, "Pod", "DELETE") if e.actor != "you"])


def tell_nobody(c: Any) -> str:
    """The count."""
    since = all_silent(c)
    count = len(c.moment().list("Node"))
    return (
        f"{_evicted(c, since)} pods were deleted, though all {count} nodes are NotReady. If nobody "
        "is heard, the controller doubts itself rather than all machines, and evicts nothing."
    )


def stage_nobody(seed: int) -> Cluster:
    """All kubelets are stopped for ten minutes."""
    c = start(seed)
    for number in (1, 2, 3):
        c.faults.stop(f"kubelet/node-{number}")
    c.run(600)
    return c


MOMENTS = (
    Moment(
        "17.a", "A node with one of three web pods loses its power. When is it called NotReady?",
        (
            Option("once", "at once: the connection breaks", "M31"),
            Option("beat", "after ten seconds, when a heartbeat is missing", "M31"),
            Option("grace", "after some 40 to 55 seconds of silence"),
            Option("five", "after five minutes", "M31"),
        ),
        silence, tell_silence, stage_off(120), cause_silence,
        why="Which event made the controller look at this node?",
        todo="take the power of a node and run on for two minutes",
    ),
    Moment(
        "17.b", "And when is a pod made in place of the one on the dead node?",
        (
            Option("once", "at once: the ReplicaSet counts two", "M31"),
            Option("notready", "as soon as the node is NotReady", "M32"),
            Option("late", "five minutes after that"),
            Option("never", "not at all: the pod moves when the node is back", "M02"),
        ),
        patience, tell_patience, stage_off(400),
        todo="run on until six or seven minutes after the power went",
    ),
    Moment(
        "17.c", "Another node is not dead, only cut off from the API server, for ten minutes. What "
        "runs then?",
        (
            Option("new", "three pods: the cut-off one was stopped", "M32"),
            Option("both", "four: the cut-off one runs on, and another one was made"),
            Option("old", "three: no other is made while it runs", "M33"),
            Option("none", "two, until the node is back", "M02"),
        ),
        apart, tell_apart, stage_apart,
        todo="cut a kubelet from apiserver-1 and run on for ten minutes",
    ),
    Moment(
        "17.d", "All three nodes fall silent together, for ten minutes. How many pods are evicted?",
        (
            Option("all", "all of them, five minutes after NotReady", "M31"),
            Option("kept", "none"),
            Option("some", "one after the other, as fast as is allowed", "M32"),
        ),
        nobody, tell_nobody, stage_nobody,
        todo="stop every kubelet and run on for ten minutes",
    ),
)  # fmt: skip


UNIT = Unit(
    "17",
    "What happens when machines die?",
    45,
    MOMENTS,
    EXERCISES,
    ("S12", "S38"),
    ("M02", "M31", "M32", "M33"),
)
