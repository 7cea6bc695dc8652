"""01, Who brought the pod back? Deleting pods, and who counts them."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import name_of
from kubelab.cluster import Cluster
from kubelab.learn import traces, worlds
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.tasks01 import EXERCISES

START = [worlds.pod("solo", {"app": "solo"}), worlds.deployment("web", 1)]


# Moments. Each finds the act that it asks about in the trace.


def start(seed: int) -> Cluster:
    """The cluster with which the notebook begins: a bare pod and a Deployment's pod."""
    c = worlds.cluster(3, seed)
    c.apply(START)
    c.settle()
    return c


def one_of(c: Any, name: str = "web") -> str:
    """The name of a pod of a Deployment."""
    return name_of(min(c.list("Pod", "default", f"app={name}"), key=name_of))


def deleted(c: Any, beginning: str = "web-") -> int:
    """The last time that the user deleted a pod with such a name."""
    return traces.last(
        c,
        lambda e: (
            e.actor == "you"
            and e.verb == "ask"
            and e.detail.get("method") == "DELETE"
            and f"/pods/{beginning}" in str(e.detail.get("path"))
        ),
    )


def returned(c: Any) -> str | None:
    """Which names came back after a bare and a counted pod were deleted."""
    solo, web = deleted(c, "solo"), deleted(c)
    if not solo or not web:
        return None
    gone = str(c.trace[web - 1].detail["path"]).rpartition("/")[2]
    made = [
        str(e.detail["key"]).rpartition("/")[2]
        for e in traces.stored(c, min(solo, web), "/registry/pods/default/", "create")
    ]
    if gone in made:
        return "both" if "solo" in made else "same"
    if "solo" in made:
        return "both"
    if any(name.startswith("web-") for name in made):
        return "new"
    return "neither" if traces.seconds(c, web, len(c.trace)) > 10 else None


def tell_returned(c: Any) -> str:
    """The names before and after, and how long it took."""
    web = deleted(c)
    gone = str(c.trace[web - 1].detail["path"]).rpartition("/")[2]
    made = traces.stored(c, web, "/registry/pods/default/web-", "create")
    if not made:
        return f"{gone} was deleted and no pod was made."
    name = str(made[0].detail["key"]).rpartition("/")[2]
    took = traces.seconds(c, web, made[0].id)
    return (
        f"{gone} was deleted; {took * 1000:.0f} ms later {name} was stored, with a UID of its "
        "own. Nothing counts solo, so nobody made another."
    )


def counted(c: Any) -> tuple[int, ...]:
    """The reconcile that made a pod anew after the last deletion."""
    since = deleted(c)
    syncs = [
        e.id
        for e in traces.after(c, since)
        if e.verb == "sync"
        and e.detail.get("controller") == "replicaset"
        and str(e.detail.get("act", "")).startswith("create")
    ]
    return tuple(syncs[:1])


def stage_deleted(seed: int) -> Cluster:
    """Both pods are deleted, and time passes."""
    c = start(seed)
    pod = one_of(c)
    c.delete("Pod", "solo")
    c.delete("Pod", pod)
    c.run(60)
    return c


def first_actor(c: Any) -> str | None:
    """Who first asked for something new after a counted pod was deleted."""
    since = deleted(c)
    if not since:
        return None
    for event in traces.writes(c, since, "Pod"):
        if event.actor == "controller-manager" and event.detail["method"] == "POST":
            sync = c.trace[(event.cause or 1) - 1]
            return str(sync.detail.get("controller", "replicaset"))
        if event.detail.get("subresource") == "binding":
            return "scheduler"
        if event.actor.startswith("kubelet") and event.detail["method"] == "POST":
            return "kubelet"
    return None


def tell_first(c: Any) -> str:
    """The sentence of the reconcile."""
    found = counted(c)
    return c.tell(found[0]) if found else "No pod was made."


def stage_first(seed: int) -> Cluster:
    """A pod of three is deleted."""
    c = worlds.cluster(3, seed)
    c.apply(worlds.deployment("web", 3))
    c.settle()
    c.delete("Pod", one_of(c))
    c.settle()
    return c


def caught_up(c: Any) -> str | None:
    """How many pods were made once the controller manager had started again."""
    stopped, started = (traces.fault(c, verb, "controller-manager") for verb in ("halt", "begin"))
    if not stopped or started < stopped:
        return None
    made = len(traces.created(c, started))
    if not made and traces.seconds(c, started, len(c.trace)) < 20:
        return None
    return {0: "none", 2: "two", 5: "five"}.get(made, "other")


def tell_caught_up(c: Any) -> str:
    """Numbers from the trace."""
    started = traces.fault(c, "begin", "controller-manager")
    made = traces.created(c, started)
    waited = traces.seconds(c, started, made[0].id) if made else 0
    return (
        f"It made {len(made)} pods, the first {waited:.1f} s after its start. It had heard "
        "nothing of your wish; it listed what is there and compared."
    )


def gap_seen(c: Any) -> tuple[int, ...]:
    """The reconciles that closed the gap."""
    started = traces.fault(c, "begin", "controller-manager")
    return tuple(
        e.id
        for e in traces.after(c, started)
        if e.verb == "sync"
        and e.detail.get("controller") == "replicaset"
        and str(e.detail.get("act", "")).startswith("create")
    )


def stage_caught_up(seed: int) -> Cluster:
    """Scaled from three to five while nobody counts."""
    c = worlds.cluster(3, seed)
    c.apply(worlds.deployment("web", 3))
    c.settle()
    c.faults.stop("controller-manager")
    c.kubectl("scale deployment web --replicas=5")
    c.run(30)
    c.faults.start("controller-manager")
    c.run(60)
    return c


MOMENTS = (
    Moment(
        "01.a",
        "You delete the bare pod solo and the Deployment's pod. One minute later, which pods does "
        "kubectl get pods list?",
        (
            Option("both", "both again, under their old names", "M02"),
            Option("neither", "neither of them: deleted is deleted", "M02"),
            Option("same", "the Deployment's pod again under its old name, not solo", "M19"),
            Option("new", "one with a new name in place of the Deployment's pod, not solo"),
        ),
        returned, tell_returned, stage_deleted, counted,
        todo="delete both pods and run on for a minute",
    ),
    Moment(
        "01.b",
        "One of three web pods is deleted. Who is the first to ask for something new?",
        (
            Option("scheduler", "the scheduler, which chooses a node for a new one", "M01"),
            Option("kubelet", "the kubelet of its node, which starts it again", "M02"),
            Option("deployment", "the Deployment controller, which owns the app", "M11"),
            Option("replicaset", "the ReplicaSet controller, which counts the pods"),
        ),
        first_actor, tell_first, stage_first, counted,
        todo="delete one of the web pods and step on",
    ),
    Moment(
        "01.c",
        "The controller manager is stopped. You scale web from 3 to 5 and start it again half a "
        "minute later. How many pods does it create?",
        (
            Option("none", "none: it has missed the event", "M03"),
            Option("two", "two: the difference"),
            Option("five", "five: it begins anew, as it has forgotten all", "M02"),
            Option("other", "another number: it depends on what it had heard before", "M03"),
        ),
        caught_up, tell_caught_up, stage_caught_up, gap_seen,
        why="Which event closed the gap?",
        todo="stop the controller manager, scale, start it, and run on for a minute",
    ),
)  # fmt: skip


UNIT = Unit(
    "01", "Who brought the pod back?", 30, MOMENTS, EXERCISES, ("S06", "S15"), ("M01", "M02", "M03")
)
