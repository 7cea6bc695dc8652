"""How many pods a second the scheduler binds while other things go on around it.

As in `bench_scheduler.py` there is a store, an API server and a scheduler; what is timed is all of
it, from the first measured pod to the last one bound. Upstream does the other things so many times
a second; here, where time is virtual, they are done once for so many measured pods as upstream's
gate lets pass in that time.

In Kubernetes: test/integration/scheduler_perf, the workloads DefaultTopologySpreading, mixed pods,
preemption, unschedulable, churn and gated. Left out: the workloads of the store's full size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kubelab.api.objects import Obj, freeze, with_
from tests.bench.bench_scheduler import (
    AMOUNTS,
    GATED_NODES,
    HOSTNAME,
    PLAIN,
    ZONE,
    Bed,
    Shape,
    coloured,
    node,
    pod,
)
from tests.bench.harness import Benchmark, Result, digest, stopwatch

TOO_LARGE = {"cpu": "9"}
LARGE = {"cpu": "3"}
# Four of these leave room on a node for plain pods, but not for a large one.
QUARTER = {"cpu": "900m"}


def asking(name: str, requests: dict[str, str], namespace: str, **spec: Any) -> Obj:
    """A plain pod that asks for something else, and is gone at once when it is deleted."""
    container = {"name": "pause", "image": "pause", "resources": {"requests": requests}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, **spec}
    return with_(pod(name, PLAIN, namespace), ("spec",), freeze(spec))


def service(name: str, color: str) -> Obj:
    """A Service of the measured pods of a colour."""
    made: Obj = freeze({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "measured"},
        "spec": {"selector": {"color": color}, "ports": [{"port": 80}]},
    })  # fmt: skip
    return made


class Site(Bed):
    """A bed on which other things are done between the measured pods."""

    def nothing(self, turn: int) -> None:
        """Nothing else goes on."""

    def too_large(self, turn: int) -> None:
        """A pod arrives that fits nowhere."""
        self.create([asking(f"large{turn}", TOO_LARGE, "before")])

    def urgent(self, turn: int) -> None:
        """A pod arrives that must make room for itself."""
        self.create([asking(f"urgent{turn}", LARGE, "before", priorityClassName="urgent")])

    def recreate(self, turn: int) -> None:
        """A node, a pod that fits nowhere and a Service are deleted and made anew."""
        if turn:
            self.act("delete_all", (
                ("v1/Node", "", "node-900000"), ("v1/Pod", "before", "churn"),
                ("v1/Service", "measured", "churn"),
            ))  # fmt: skip
        large = asking("churn", TOO_LARGE, "before")
        self.create([node(900000, 1, AMOUNTS), large, service("churn", "none")])

    def leave(self, turn: int) -> None:
        """A pod that stood there before is deleted."""
        self.act("delete_all", (("v1/Pod", "before", f"b{turn}"),))

    def measured(self, pods: list[Obj], every: int, happens: Callable[[int], None]) -> None:
        """Creates the measured pods, does the other thing each time, and waits for all."""
        for turn, low in enumerate(range(0, len(pods), every)):
            happens(turn)
            self.create(pods[low : low + every])
        steps = 0
        while steps % 200 or self.bound() < len(pods):
            self.world.step()
            steps += 1

    def bound(self) -> int:
        """How many measured pods have a node for good."""
        cache = self.scheduler.cache
        keys = [key for key in cache.pods if key.startswith("measured/")]
        return sum(key not in cache.assumed for key in keys)


# Pods of five kinds that stand there before: plain, near and far, required and preferred.
KINDS: tuple[Shape, ...] = (
    PLAIN,
    coloured("blue", "podAffinity", ZONE, required=True),
    coloured("green", "podAntiAffinity", HOSTNAME, required=True),
    coloured("red", "podAffinity", HOSTNAME, required=False),
    coloured("yellow", "podAntiAffinity", HOSTNAME, required=False),
)
SERVED: Shape = ({"color": "blue"}, {})
# By name: zones, pods before (by node if negative), measured, their shape, after how many of them
# something else happens, what that is, and the least pods a second that upstream allows.
WORKLOADS: dict[str, tuple[int, int, int, Shape, int, str, int]] = {
    "DefaultTopologySpreading": (3, 500, 1000, SERVED, 100, "nothing", 160),
    "MixedSchedulingBasePod": (1, 1000, 500, PLAIN, 100, "nothing", 140),
    "PreemptionAsync": (0, -4, 500, PLAIN, 114, "urgent", 570),
    "Unschedulable": (0, 2000, 1000, PLAIN, 120, "too_large", 600),
    "SchedulingWithMixedChurn": (1, 0, 1000, PLAIN, 500, "recreate", 710),
    "SchedulingWhileGated": (0, 1000, 2000, PLAIN, 18, "leave", 910),
}


def before(name: str, nodes: int, count: int) -> list[Obj]:
    """The pods that are bound first."""
    if name == "PreemptionAsync":
        return [asking(f"b{n}", QUARTER, "before") for n in range(4 * nodes)]
    if name == "MixedSchedulingBasePod":
        each = count // len(KINDS)
        return [
            pod(f"b{kind}-{n}", shape, "before")
            for kind, shape in enumerate(KINDS)
            for n in range(min(each, nodes))
        ]
    return [asking(f"b{n}", {"cpu": "100m"}, "before") for n in range(count)]


def workload(nodes: int, name: str) -> Result:
    """One workload at a number of nodes; few nodes measure fewer pods."""
    zones, first, measured, shape, every, happens, _ = WORKLOADS[name]
    gated = name == "SchedulingWhileGated"
    if nodes < 500:
        first, measured = (min(first, nodes), nodes) if first else (0, nodes)
    site = Site(1 if gated else nodes, zones, roomy=gated)
    urgent = freeze({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                     "metadata": {"name": "urgent"}, "value": 10})  # fmt: skip
    site.create([urgent])
    if name == "DefaultTopologySpreading":
        site.create([service("served", "blue")])
    old = before(name, nodes, first)
    site.bind(old, len(old))
    if gated:
        gates = [{"name": "example.com/wait"}]
        held = [asking(f"g{n}", {}, "before", schedulingGates=gates) for n in range(len(old))]
        site.create(held)
    fresh = [pod(f"m{n}", shape, "measured") for n in range(measured)]
    with stopwatch() as watch:
        site.measured(fresh, every, getattr(site, happens))
    return Result(measured, "pods", watch.seconds, digest(site.placed()))


def make(name: str) -> Benchmark:
    """A workload as a benchmark; the mark is the gate, as seconds for the measured pods."""
    measured, gate = WORKLOADS[name][2], WORKLOADS[name][6]
    run = partial(workload, name=name)
    marks = {GATED_NODES: measured / gate}
    return Benchmark(f"scheduler {name}", run, "nodes", 10, (500,), (GATED_NODES,), marks)


for workload_name in WORKLOADS:
    globals()[f"bench_{workload_name}"] = make(workload_name)
