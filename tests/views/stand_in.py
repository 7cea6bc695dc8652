"""A cluster for the tests of views: a recorded trace and store that can be stepped, nothing else.

It offers what a view may use of a `Cluster`: `trace`, `step`, `run`, `settle`, `at`, `tell`, `why`,
`scheduler.decisions`, and the world's list of components. Events are handed to it in advance; each
step plays one. So a test says exactly what has happened, and what a view makes of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api.objects import freeze, get
from kubelab.scheduler.decision import Decision, Scores
from kubelab.scheduler.framework import Status
from kubelab.sim.kernel import EPOCH_NS, SECOND, Event


class KeyValue(NamedTuple):
    """A key of the store with its numbers."""

    key: bytes
    value: Any
    create_revision: int
    mod_revision: int
    version: int
    lease: int = 0


class Moment:
    """The objects of a stand-in at a revision."""

    def __init__(self, writes: list[tuple[int, int, str, Any]], revision: int) -> None:
        self.revision = revision
        self.found: dict[str, KeyValue] = {}
        for number, _, key, value in writes:
            if number > revision:
                break
            old = self.found.pop(key, None)
            if value is not None:
                created = old.create_revision if old else number
                version = old.version + 1 if old else 1
                self.found[key] = KeyValue(key.encode(), value, created, number, version)

    def keys(self, prefix: str = "/registry/") -> list[KeyValue]:
        """The keys below a prefix."""
        return [kv for key, kv in sorted(self.found.items()) if key.startswith(prefix)]

    def list(self, kind: str, namespace: str | None = None) -> list[Any]:
        """The objects of a kind."""
        return [
            kv.value
            for kv in self.keys()
            if kv.value.get("kind") == kind
            and namespace in (None, get(kv.value, "metadata", "namespace"))
        ]

    def get(self, kind: str, name: str, namespace: str = "default") -> Any:
        """One object; KeyError where there is none."""
        for obj in self.list(kind):
            if obj["metadata"]["name"] == name:
                if obj["metadata"].get("namespace", namespace) == namespace:
                    return obj
        raise KeyError(name)


class Parts:
    """The world of a stand-in: which components there are, and when the next event is due."""

    def __init__(self, cluster: StandIn) -> None:
        self.cluster = cluster
        self.components = dict.fromkeys(
            ("etcd-1", "apiserver-1", "controller-manager", "scheduler", "kubelet/node-1", "you")
        )
        self.seq = 0

    @property
    def now(self) -> int:
        """Virtual time."""
        return self.cluster.trace[-1].ns if self.cluster.trace else EPOCH_NS

    def idle_until(self) -> int | None:
        """When the next event is due."""
        return self.cluster.future[0].ns if self.cluster.future else None


class StandIn:
    """See the module."""

    def __init__(self) -> None:
        self.trace: list[Event] = []
        self.future: list[Event] = []
        self.writes: list[tuple[int, int, str, Any]] = []
        self.world = Parts(self)
        self.scheduler = self
        self.made: dict[str, list[Decision]] = {}

    # Recording.

    def will(self, actor: str, verb: str, target: str, *, cause: int | None = None,
             ms: int = 1, **detail: Any) -> int:  # fmt: skip
        """Adds an event to what is going to happen; returns its id."""
        known = [*self.trace, *self.future]
        ns = known[-1].ns + ms * 1_000_000 if known else EPOCH_NS
        event = Event(len(known) + 1, ns, actor, verb, target, freeze(detail), cause)
        self.future.append(event)
        return event.id

    def writes_object(self, key: str, value: Any, cause: int | None = None) -> int:
        """An etcd transaction that stores an object."""
        revision = (self.writes[-1][0] if self.writes else 1) + 1
        event = self.will("apiserver-1", "txn", "etcd-1", cause=cause, key=key, revision=revision,
                          change="create", woken={"apiserver-1": 1})  # fmt: skip
        self.writes.append((revision, event, key, freeze(value) if value is not None else None))
        return event

    # What a view uses.

    def step(self, n: int = 1) -> list[Event]:
        """Plays the next events."""
        events, self.future = self.future[:n], self.future[n:]
        self.trace += events
        return events

    def settle(self) -> None:
        """Plays all events."""
        self.step(len(self.future))

    def run(self, seconds: float) -> None:
        """Plays the events that are due within so long."""
        until = self.world.now + round(seconds * SECOND)
        while self.future and self.future[0].ns <= until:
            self.step()

    def at(self, *, event: int | None = None, revision: int | None = None) -> Moment:
        """The objects at an event or a revision."""
        if revision is None:
            done = [number for number, at, _, _ in self.writes if at <= (event or 0)]
            revision = done[-1] if done else 1
        return Moment(self.writes, revision)

    def tell(self, event: Event) -> str:
        """A sentence."""
        return f"{event.target} handles {event.verb} of {event.actor}."

    def why(self, what: int) -> list[Event]:
        """The chain of causes."""
        chain: list[Event] = []
        at: int | None = what
        while at:
            chain.append(self.trace[at - 1])
            at = chain[-1].cause
        return chain[::-1]

    def decisions(self, pod: str) -> list[Decision]:
        """The scheduler's decisions on a pod."""
        return self.made.get(pod, [])


def node(name: str, cpu: str = "4") -> dict[str, Any]:
    """A Ready node."""
    return {
        "kind": "Node", "apiVersion": "v1", "metadata": {"name": name},
        "status": {
            "allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }  # fmt: skip


def pod(name: str, cpu: str = "1", where: str = "", **status: Any) -> dict[str, Any]:
    """A pod that asks for so much cpu."""
    spec: dict[str, Any] = {
        "containers": [{"name": "main", "image": "nginx", "resources": {"requests": {"cpu": cpu}}}]
    }
    if where:
        spec["nodeName"] = where
    return {
        "kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"},
        "spec": spec, "status": status or {"phase": "Pending"},
    }  # fmt: skip


def refused(cluster: StandIn, name: str, nodes: list[str]) -> Decision:
    """A decision that finds no node, because all lack cpu."""
    status = Status("Unschedulable", ("Insufficient cpu",), "NodeResourcesFit")
    message = f"0/{len(nodes)} nodes are available: {len(nodes)} Insufficient cpu."
    return Decision(
        f"default/{name}", 0, None, message, len(nodes), ("TaintToleration", "NodeResourcesFit"),
        tuple((each, status) for each in nodes), (), (), (),
    )  # fmt: skip


def picked(cluster: StandIn, name: str, nodes: list[str]) -> Decision:
    """A decision for the first of the nodes, by 20 points."""
    count = len(nodes)
    fit = Scores("NodeResourcesFit", 1, tuple(range(90, 90 - count, -1)),
                 tuple(range(90, 90 - count, -1)))  # fmt: skip
    taints = Scores("TaintToleration", 3, (0,) * count, (100,) * count)
    return Decision(
        f"default/{name}", 0, nodes[0], "", count, ("TaintToleration", "NodeResourcesFit"),
        tuple((each, None) for each in nodes), tuple(nodes), (fit, taints),
        tuple(390 - at for at in range(count)),
    )  # fmt: skip


def decide(cluster: StandIn, decision: Decision, cause: int | None = None) -> int:
    """The event in which a decision is made."""
    event = cluster.will("scheduler", "schedule_one", "scheduler", cause=cause, pod=decision.pod,
                         node=decision.node)  # fmt: skip
    ns = cluster.future[-1].ns
    cluster.made.setdefault(decision.pod, []).append(decision._replace(ns=ns))
    return event


def story(cpu: str = "3", nodes: int = 3, fits: bool = False) -> StandIn:
    """A user creates a pod; it is stored, heard of and decided on."""
    cluster = StandIn()
    names = [f"node-{number}" for number in range(1, nodes + 1)]
    for name in names:
        cluster.writes_object(f"/registry/minions/{name}", node(name))
        cluster.writes_object(
            f"/registry/pods/default/old-{name[5:]}", pod(f"old-{name[5:]}", "2", name)
        )
    cluster.will("apiserver-1", "response", "scheduler", kind="Pod", listed=nodes,
                 revision=str(cluster.writes[-1][0] if cluster.writes else 1))  # fmt: skip
    ask = cluster.will("you", "request", "apiserver-1", method="POST", kind="Pod", name="web")
    write = cluster.writes_object("/registry/pods/default/web", pod("web", cpu), ask)
    told = cluster.will(
        "etcd-1", "watch_response", "apiserver-1", cause=write,
        key="/registry/pods/default/web", revision=cluster.writes[-1][0],
    )  # fmt: skip
    heard = {"kind": "Pod", "namespace": "default", "name": "web", "type": "ADDED"}
    seen = cluster.will("apiserver-1", "watched", "scheduler", cause=told,
                        revision=str(cluster.writes[-1][0]), **heard)  # fmt: skip
    make = picked if fits else refused
    decided = decide(cluster, make(cluster, "web", names), seen)
    if fits:
        bind = cluster.will("scheduler", "request", "apiserver-1", cause=decided, method="POST",
                            kind="Pod", namespace="default", name="web")  # fmt: skip
        cluster.writes_object("/registry/pods/default/web", pod("web", cpu, names[0]), bind)
        cluster.will("apiserver-1", "response", "scheduler", cause=bind,
                     path="/api/v1/namespaces/default/pods/web/binding", code=201)  # fmt: skip
    return cluster
