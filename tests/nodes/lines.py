"""Helpers for time lines: pods, their Events and statuses with virtual seconds."""

from __future__ import annotations

from typing import Any

from kubelab import Cluster
from kubelab.api.objects import EMPTY, Obj, freeze, get
from kubelab.api.rest import kind_of
from kubelab.apiserver import stored
from kubelab.sim.kernel import SECOND, Component, to_datetime


class Asker(Component):
    """Asks a kubelet as the API server does, and keeps the answers."""

    def __init__(self) -> None:
        super().__init__("asker")
        self.answers: list[Any] = []

    def kubelet_answered(self, token: Any, answer: Any) -> None:
        """An answer of the kubelet."""
        self.answers.append(answer)


def cluster(nodes: Any = 1, **options: Any) -> Cluster:
    """A settled cluster without DNS, so that only what a test makes is there."""
    c = Cluster(nodes=nodes, dns=options.pop("dns", False), **options)
    c.settle()
    return c


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A pod of these containers; a container without a name is called `c`."""
    made = [{"name": "c", "image": "kubelab/sleep:1", **container} for container in containers]
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": made or [{"name": "c", "image": "kubelab/sleep:1"}], **spec},
    }  # fmt: skip


def ask(c: Cluster, verb: str, *args: Any, node: str = "node-1", seconds: float = 5) -> Any:
    """What a kubelet answers: one Obj, or the list of them if there were several."""
    if "asker" not in c.world.components:
        c.world.add(Asker())
    before = len(c.world.components["asker"].answers)  # type: ignore[attr-defined]
    c.act(f"kubelet/{node}", verb, "asker", 1, *args)
    c.run(seconds)
    found = c.world.components["asker"].answers[before:]  # type: ignore[attr-defined]
    return found[0] if len(found) == 1 else found


def told(c: Cluster, name: str, kind: str = "Pod") -> list[tuple[str, str, str, int]]:
    """The Events about an object: type, reason, message, count; by first time."""
    events = [
        event
        for event in c.moment().list("Event")
        if event["involvedObject"]["kind"] == kind and event["involvedObject"]["name"] == name
    ]
    events.sort(key=_first)
    return [
        (event["type"], event["reason"], event.get("message", ""), event.get("count", 1))
        for event in events
    ]


def _first(event: Obj) -> tuple[str, int]:
    return (event.get("firstTimestamp") or "", int(event["metadata"]["resourceVersion"]))


def versions(c: Cluster, name: str, kind: str = "Pod") -> list[tuple[float, Obj | None]]:
    """Every version of an object with the virtual second at which it was stored; None: deleted."""
    row = kind_of(kind)
    key = stored.path(row, "default" if row.namespaced else "", name)
    member: Any = c.world.components["etcd-1"]
    start = to_datetime(c.world.epoch)
    found: list[tuple[float, Obj | None]] = []
    for revision, event_id in member.written:
        event = c.trace[event_id - 1]
        if key in (event.detail.get("key"), *event.detail.get("keys", ())):
            obj = c.at(revision=revision).find(row, name, "default")
            found.append(((event.time - start).total_seconds(), obj))
    return found


def line(c: Cluster, name: str, container: str = "c") -> list[tuple[float, str]]:
    """A pod's time line: the second, and phase, readiness and state of a container, if new."""
    found: list[tuple[float, str]] = []
    for when, obj in versions(c, name):
        text = "gone" if obj is None else _in_short(obj, container)
        if not found or found[-1][1] != text:
            found.append((when, text))
    return found


def _in_short(obj: Obj, container: str) -> str:
    held = get(obj, "status", default=EMPTY)
    text = str(held.get("phase"))
    ready = [row["status"] for row in held.get("conditions", ()) if row["type"] == "Ready"]
    text += " Ready" if ready == ["True"] else ""
    for field in ("initContainerStatuses", "containerStatuses"):
        for row in held.get(field, ()):
            if row["name"] == container:
                kind = next(iter(row["state"]))
                reason = row["state"][kind].get("reason", "")
                text += f" {kind}{'/' if reason else ''}{reason} {row['restartCount']}"
    return text + (" deleting" if obj["metadata"].get("deletionTimestamp") else "")


def status(c: Cluster, name: str) -> Obj:
    """The status of a pod now."""
    return get(c.moment().get("Pod", name, "default"), "status", default=EMPTY)


def state(c: Cluster, name: str, container: str = "c") -> Obj:
    """The state of a container now."""
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for row in get(status(c, name), field, default=()):
            if row["name"] == container:
                return row
    return freeze({})


def seconds(c: Cluster) -> float:
    """Virtual seconds since the world began."""
    return (c.world.now - c.world.epoch) / SECOND
