"""07, Which nodes can take this pod? The scheduler's filters: requests, taints, cordon."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get, name_of
from kubelab.cluster import Cluster
from kubelab.learn import traces, worlds
from kubelab.learn.catalogue import Moment, Option, Unit
from kubelab.learn.units.tasks07 import EXERCISES


def filler(cpu: str = "2") -> dict[str, Any]:
    """A DaemonSet: one pod on each node, which asks for much and does nothing."""
    made = worlds.deployment("fill", image="kubelab/sleep:1", cpu=cpu)
    made["kind"] = "DaemonSet"
    del made["spec"]["replicas"]
    return made


BOASTER = worlds.pod("boaster")
BOASTER["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100m"}, "limits": {"cpu": 8}}
GUEST = worlds.pod("guest", spec={"tolerations": [{"key": "gpu", "operator": "Exists"}]})


def start(seed: int) -> Cluster:
    """Three nodes, each half full of requests."""
    c = worlds.cluster(3, seed)
    c.apply(filler())
    c.settle()
    return c


# Moments. Each looks at the last decision on a pod.


def decision(c: Any, pod: str) -> dict[str, Any] | None:
    """The last decision on a pod of the default namespace, if the scheduler took it up."""
    if worlds.found(c, "Pod", pod) is None:
        return None
    event = traces.last(
        c, lambda e: e.verb == "schedule_one" and e.detail.get("pod") == f"default/{pod}"
    )
    return dict(c.trace[event - 1].detail) if event else None


def too_big(c: Any) -> str | None:
    """What became of a pod that fits in the sum and on no node."""
    made = decision(c, "big")
    if made is None:
        return None
    return "placed" if made.get("node") else "pending"


def tell_too_big(c: Any) -> str:
    """Each node's room against the request."""
    made = decision(c, "big") or {}
    rooms = [
        f"{node} has {one['short']['cpu']['free'] / 1000:g} free"
        for node, one in sorted(made.get("rejected", {}).items())
        if "cpu" in one.get("short", {})
    ]
    asks = get(worlds.found(c, "Pod", "big"), "spec", "containers")[0]["resources"]["requests"]
    return f"It asks {asks['cpu']} cpu; {', '.join(rooms)}. Room on many nodes does not add up."


def refused(c: Any) -> tuple[int, ...]:
    """The scheduler's look at the pod."""
    event = traces.last(
        c, lambda e: e.verb == "schedule_one" and e.detail.get("pod") == "default/big"
    )
    return (event,) if event else ()


def stage_too_big(seed: int) -> Cluster:
    """A pod asks for three of four cpus where two are free on each node."""
    c = start(seed)
    c.apply(worlds.pod("big", cpu=3))
    c.settle()
    return c


def boasted(c: Any) -> str | None:
    """Whether a limit beyond any node keeps a pod away."""
    made = decision(c, "boaster")
    if made is None:
        return None
    return "request" if made.get("node") else "limit"


def tell_boasted(c: Any) -> str:
    """Request, limit and node."""
    made = decision(c, "boaster") or {}
    parts = get(worlds.found(c, "Pod", "boaster"), "spec", "containers")[0]["resources"]
    return (
        f"Request {parts['requests']['cpu']}, limit {parts['limits']['cpu']}; "
        f"{made.get('feasible')} of {made.get('looked')} nodes were fit, and it went to "
        f"{made.get('node')}. The limit was not looked at."
    )


def stage_boasted(seed: int) -> Cluster:
    """A small request and a huge limit."""
    c = start(seed)
    c.apply(BOASTER)
    c.settle()
    return c


def tolerated(c: Any) -> str | None:
    """How many nodes were fit for a pod that tolerates a taint."""
    made = decision(c, "guest")
    tainted = [n for n in c.moment().list("Node") if get(n, "spec", "taints", default=())]
    if made is None or not tainted or not made.get("node"):
        return None
    return "any" if made["feasible"] == made["looked"] else "only"


def tell_tolerated(c: Any) -> str:
    """The nodes that were fit, and where it went."""
    made = decision(c, "guest") or {}
    tainted = [name_of(n) for n in c.moment().list("Node") if get(n, "spec", "taints", default=())]
    return (
        f"{made['feasible']} of {made['looked']} nodes were fit; it went to {made['node']}. "
        f"Tainted is {', '.join(tainted)}, which it may use and need not."
    )


def stage_tolerated(seed: int) -> Cluster:
    """One node is tainted, and a pod tolerates that."""
    c = start(seed)
    c.kubectl("taint node node-3 gpu=yes:NoSchedule")
    c.apply(GUEST)
    c.settle()
    return c


def cordoned(c: Any) -> str | None:
    """What became of the pods of a node that was cordoned."""
    act = max(traces.asked(c, "PATCH", f"/nodes/{name_of(n)}") for n in c.moment().list("Node"))
    shut = [name_of(n) for n in c.moment().list("Node") if get(n, "spec", "unschedulable")]
    if not act or not shut or traces.seconds(c, act, len(c.trace)) < 30:
        return None
    gone = traces.stored(c, act, "/registry/pods/", "delete")
    pods = [p for p in c.moment().list("Pod") if get(p, "spec", "nodeName") == shut[0]]
    return "stay" if pods and not gone else "leave"


def tell_cordoned(c: Any) -> str:
    """The pods that are there still."""
    shut = next(name_of(n) for n in c.moment().list("Node") if get(n, "spec", "unschedulable"))
    pods = [name_of(p) for p in c.moment().list("Pod") if get(p, "spec", "nodeName") == shut]
    return f"On {shut} still run: {', '.join(pods)}. A filter is asked when a pod is placed."


def stage_cordoned(seed: int) -> Cluster:
    """A node is cordoned, and a minute passes."""
    c = start(seed)
    c.kubectl("cordon node-1")
    c.run(60)
    return c


MOMENTS = (
    Moment(
        "07.a", "On each of three nodes about 2 of 4 cpus are free, 6 in all. A pod asks for 3. "
        "What happens?",
        (
            Option("placed", "it is placed: 6 is more than 3", "M15"),
            Option("pending", "it is Pending: no node has 3 free"),
            Option("moved", "another pod is moved, and then it is placed", "M14"),
            Option("idle", "it is placed: the pods there sleep and use nothing", "M12"),
        ),
        too_big, tell_too_big, stage_too_big, refused,
        why="Which event decided it?", todo="apply the pod big and settle",
    ),
    Moment(
        "07.b", "The pod boaster has a request of 100m cpu and a limit of 8 cpus. Each node has "
        "4. What happens?",
        (
            Option("limit", "it is Pending: no node has 8 cpus", "M13"),
            Option("refused", "the API server refuses it", "M13"),
            Option("request", "it is placed: only the request counts"),
            Option("usage", "it goes to the node that is used least", "M12"),
        ),
        boasted, tell_boasted, stage_boasted, todo="apply the pod boaster and settle",
    ),
    Moment(
        "07.c", "node-3 has the taint gpu=yes:NoSchedule. The pod guest tolerates it, and says no "
        "more. Where can it go?",
        (
            Option("only", "to node-3 only: it is made for it", "M16"),
            Option("first", "to node-3 first, elsewhere if that is full", "M16"),
            Option("any", "to any of the three"),
        ),
        tolerated, tell_tolerated, stage_tolerated,
        todo="taint a node, apply the pod guest and settle",
    ),
    Moment(
        "07.d", "node-1 is cordoned: it takes no new pods. What becomes of those that run there?",
        (
            Option("leave", "they are moved to other nodes", "M14"),
            Option("stopped", "they are stopped until it is uncordoned", "M32"),
            Option("stay", "they run on"),
        ),
        cordoned, tell_cordoned, stage_cordoned,
        todo="cordon a node and run on for a minute",
    ),
)  # fmt: skip


UNIT = Unit(
    "07",
    "Which nodes can take this pod?",
    45,
    MOMENTS,
    EXERCISES,
    ("S17", "S19"),
    ("M12", "M13", "M15", "M16"),
)
