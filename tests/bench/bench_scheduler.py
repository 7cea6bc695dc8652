"""How many pods a second the scheduler binds: the workloads that Kubernetes measures its own with.

As upstream measures it, there is a store, an API server and a scheduler, but no kubelet and no
controller: nodes are objects only. What is timed is everything from the request that creates the
first measured pod to the answer that binds the last one, of all three processes. The marks are the
least pods a second that Kubernetes' own tests let pass at 5,000 nodes, and for the plain workload
at 1,000 nodes what the real scheduler binds on two cores.

In Kubernetes: test/integration/scheduler_perf. Left out: the workloads of the store's full size.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from kubelab.api import kinds
from kubelab.api.objects import Obj, freeze
from kubelab.api.rest import Response, url
from kubelab.apiserver.server import APIServer
from kubelab.client.client import Client
from kubelab.etcd.member import Member
from kubelab.scheduler.scheduler import Scheduler
from kubelab.sim.kernel import SECOND, World
from tests.bench.harness import Benchmark, Result, digest, stopwatch

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
REQUESTS = {"cpu": "100m", "memory": "500Mi"}
# A node on which all measured pods have room.
ROOMY = {"cpu": "9000", "memory": "90000Gi", "pods": "90000"}
AMOUNTS = {"cpu": "4", "memory": "32Gi", "pods": "110"}

Spec = dict[str, Any]
# What a workload's pods ask for beyond the plain ones: the pod's labels and fields of its spec.
Shape = tuple[dict[str, str], Spec]


class Creator(Client):
    """Creates objects, as fast as the answers come."""

    def start(self) -> None:
        super().start()
        self.left = 0

    def create(self, objects: tuple[Obj, ...]) -> None:
        """Sends a request for each object."""
        for obj in objects:
            meta, kind = obj["metadata"], kinds.by_kind(obj["apiVersion"], obj["kind"])
            path = url(kind, meta.get("namespace", ""))
            self.request("POST", path, body=obj, reply="created")
            self.left += 1

    def delete_all(self, *named: tuple[str, str, str]) -> None:
        """Deletes objects, each named by kind, namespace and name."""
        for kind, namespace, name in named:
            self.delete(kind, namespace, name, reply="created")
            self.left += 1

    def untaint(self, names: tuple[str, ...]) -> None:
        """Takes away the taint that every new node gets: no controller here would do it."""
        for name in names:
            self.patch("v1/Node", "", name, {"spec": {"taints": None}}, reply="created")
            self.left += 1

    def created(self, response: Response) -> None:
        """An object is there, or changed."""
        assert response.ok, response.message
        self.left -= 1


def plain(kind: str, name: str, namespace: str = "") -> Obj:
    """An object without a spec."""
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    made: Obj = freeze({"apiVersion": "v1", "kind": kind, "metadata": meta})
    return made


def node(number: int, zones: int, amounts: dict[str, str]) -> Obj:
    """A node of so many zones; without zones it has no label for one."""
    labels = {HOSTNAME: f"node-{number}"}
    if zones:
        labels[ZONE] = f"zone{number % zones + 1}"
    made: Obj = freeze({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": f"node-{number}", "labels": labels},
        "status": {"capacity": amounts, "allocatable": amounts},
    })  # fmt: skip
    return made


def pod(name: str, shape: Shape, namespace: str) -> Obj:
    """A pod of one container that asks for little."""
    labels, spec = shape
    container = {
        "name": "pause", "image": "registry.k8s.io/pause:3.10", "ports": [{"containerPort": 80}],
        "resources": {"requests": REQUESTS, "limits": REQUESTS},
    }  # fmt: skip
    made: Obj = freeze({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [container], **spec},
    })  # fmt: skip
    return made


class Bed:
    """A store, an API server, a scheduler and nodes."""

    def __init__(self, nodes: int, zones: int = 0, *, roomy: bool = False) -> None:
        self.world = World(1)
        self.world.add(Member("etcd-1", members=("etcd-1",)))
        self.world.add(APIServer("apiserver-1", etcd=("etcd-1",)))
        self.scheduler = Scheduler("scheduler")
        self.world.add(self.scheduler)
        self.creator = Creator("creator", servers=("apiserver-1",), user="system:admin")
        self.world.add(self.creator)
        self.run(2)
        names = ("before", "measured")
        self.create([plain("Namespace", name) for name in names])
        self.create([plain("ServiceAccount", "default", name) for name in names])
        made = [
            node(number, zones, ROOMY if roomy and not number else AMOUNTS)
            for number in range(nodes)
        ]
        self.create(made)
        self.act("untaint", tuple(obj["metadata"]["name"] for obj in made))
        self.run(1)

    def run(self, seconds: float) -> None:
        """Lets virtual time pass."""
        end = self.world.now + round(seconds * SECOND)
        while (due := self.world.next_time()) is not None and due <= end:
            self.world.step()

    def create(self, objects: list[Obj]) -> None:
        """Creates objects and waits until all are there."""
        self.act("create", tuple(objects))

    def act(self, verb: str, argument: tuple[Any, ...]) -> None:
        """Has the creator do something, until all is answered."""
        arguments = argument if verb == "delete_all" else (argument,)
        self.world.inject("creator", verb, arguments)
        self.world.step()
        while self.creator.left:
            self.world.step()

    def bind(self, pods: list[Obj], bound: int) -> None:
        """Creates pods and waits until so many are bound in all."""
        self.create(pods)
        scheduler = self.scheduler
        end = self.world.now + 3600 * SECOND
        while len(scheduler.cache.pods) < bound or scheduler.binder.under_way:
            self.world.step()
            assert self.world.now < end, "the pods are not all bound in time"

    def placed(self) -> list[tuple[str, str]]:
        """Where each pod is."""
        return sorted((key, info.node) for key, info in self.scheduler.cache.pods.items())


def measure(
    nodes: int,
    before: int,
    measured: int,
    shape: Shape,
    *,
    zones: int = 0,
    plain: bool = False,
    roomy: bool = False,
) -> Result:
    """Binds the pods that stand there before, then measures the others."""
    bed = Bed(nodes, zones, roomy=roomy)
    old = ({}, {}) if plain else shape
    bed.bind([pod(f"b{n}", old, "before") for n in range(before)], before)
    fresh = [pod(f"m{n}", shape, "measured") for n in range(measured)]
    with stopwatch() as watch:
        bed.bind(fresh, before + measured)
    return Result(measured, "pods", watch.seconds, digest(bed.placed()))


def near(color: str, key: str) -> dict[str, Any]:
    """A term about the pods of a colour in both namespaces."""
    return {
        "labelSelector": {"matchLabels": {"color": color}}, "topologyKey": key,
        "namespaces": ["before", "measured"],
    }  # fmt: skip


def coloured(color: str, kind: str, key: str, *, required: bool) -> Shape:
    """Pods of a colour that want to be near each other, or far."""
    term = near(color, key)
    terms = {REQUIRED: [term]} if required else {
        PREFERRED: [{"weight": 1, "podAffinityTerm": term}]}  # fmt: skip
    return {"color": color}, {"affinity": {kind: terms}}


def spread(when: str) -> Shape:
    """Pods that are spread over zones."""
    selector = {"matchLabels": {"color": "blue"}}
    constraint = {"maxSkew": 5, "topologyKey": ZONE, "whenUnsatisfiable": when,
                  "labelSelector": selector}  # fmt: skip
    return {"color": "blue"}, {"topologySpreadConstraints": [constraint]}


def in_zones() -> Shape:
    """Pods that want one of two zones."""
    expression = {"key": ZONE, "operator": "In", "values": ["zone1", "zone2"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {}, {"affinity": {"nodeAffinity": {REQUIRED: terms}}}


def to_one_node() -> Shape:
    """Pods that name their node."""
    field = {"key": "metadata.name", "operator": "In", "values": ["node-0"]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    return {}, {"affinity": {"nodeAffinity": {REQUIRED: terms}}}


PLAIN: Shape = ({}, {})
# By name: pods before, pods measured (at 5,000 nodes, a tenth of upstream's), their shape, how
# many zones, whether the pods before are plain, and the least pods a second that upstream allows.
WORKLOADS: dict[str, tuple[int, int, Shape, int, bool, int]] = {
    "SchedulingBasic": (100, 1000, PLAIN, 0, True, 680),
    "SchedulingNodeAffinity": (500, 1000, in_zones(), 1, False, 220),
    "SchedulingPodAffinity": (
        500, 500, coloured("blue", "podAffinity", ZONE, required=True), 1, False, 35),
    "SchedulingPodAntiAffinity": (
        100, 200, coloured("green", "podAntiAffinity", HOSTNAME, required=True), 0, False, 60),
    "SchedulingPreferredPodAffinity": (
        500, 500, coloured("red", "podAffinity", HOSTNAME, required=False), 0, False, 90),
    "SchedulingPreferredPodAntiAffinity": (
        500, 500, coloured("yellow", "podAntiAffinity", HOSTNAME, required=False), 0, False, 90),
    "TopologySpreading": (500, 500, spread("DoNotSchedule"), 3, True, 460),
    "PreferredTopologySpreading": (500, 500, spread("ScheduleAnyway"), 3, True, 340),
    "SchedulingDaemonset": (0, 500, to_one_node(), 0, True, 1100),
}  # fmt: skip
GATED_NODES = 5000
REAL_PODS_A_SECOND = 245


def workload(nodes: int, name: str) -> Result:
    """One workload at a number of nodes; few nodes measure fewer pods."""
    before, measured, shape, zones, plain_before, _ = WORKLOADS[name]
    few = max(1, min(nodes, 500) // 5) if nodes < 500 else 0
    return measure(
        nodes, few or before, few or measured, shape, zones=zones, plain=plain_before,
        roomy=name == "SchedulingDaemonset",
    )  # fmt: skip


def make(name: str) -> Benchmark:
    """A workload as a benchmark; the marks are the gates, as seconds for the measured pods."""
    _, measured, _, _, _, gate = WORKLOADS[name]
    marks = {GATED_NODES: measured / gate}
    usual: tuple[int, ...] = (500,)
    if name == "SchedulingBasic":
        usual = (500, 1000)
        marks[1000] = measured / REAL_PODS_A_SECOND
    run = partial(workload, name=name)
    return Benchmark(f"scheduler {name}", run, "nodes", 10, usual, (GATED_NODES,), marks)


for workload_name in WORKLOADS:
    globals()[f"bench_{workload_name}"] = make(workload_name)
