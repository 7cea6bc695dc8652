"""Small clusters for tests of the scheduler: nodes and pods in short words, and two ways to decide.

`Lab` decides by the plain functions (no world, no messages); `Scene` runs the component against a
stub of the API server, which keeps objects, feeds watches and binds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubelab.api import kinds
from kubelab.api.objects import EMPTY, Obj, freeze, get, key_of, merged, with_
from kubelab.api.rest import Request, Response
from kubelab.scheduler.cache import Cache, NodeInfo
from kubelab.scheduler.cycle import Outcome, evaluate
from kubelab.scheduler.framework import Cycle, Handle
from kubelab.scheduler.memo import Memo
from kubelab.scheduler.nominator import Nominator
from kubelab.scheduler.podinfo import PodInfo, parse_pod
from kubelab.scheduler.profile import Profile, default_profile
from kubelab.scheduler.scheduler import Scheduler
from kubelab.sim.kernel import SECOND, Component, World

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"


def node(name: str, cpu: Any = "4", memory: Any = "8Gi", pods: int = 110, **more: Any) -> Obj:
    """A node; `labels`, `taints` (key, value, effect), `unschedulable`, `images`, `extra`."""
    labels = {HOSTNAME: name, **more.get("labels", {})}
    taints = [dict(zip(("key", "value", "effect"), t, strict=True)) for t in more.get("taints", ())]
    allocatable = {"cpu": cpu, "memory": memory, "pods": str(pods), **more.get("extra", {})}
    return freeze(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels},
            "spec": {
                "taints": taints,
                **({"unschedulable": True} if more.get("unschedulable") else {}),
            },
            "status": {
                "allocatable": allocatable,
                "images": [
                    {"names": [image], "sizeBytes": size}
                    for image, size in more.get("images", {}).items()
                ],
            },
        }
    )


def container(**requests: Any) -> dict[str, Any]:
    """A container with requests (`cpu`, `memory`)."""
    return {"name": "c", "image": "app:1", "resources": {"requests": requests}}


def pod(name: str, on: str = "", requests: Any = None, **more: Any) -> Obj:
    """A pod on a node or waiting; `labels`, `namespace`, `priority`, and any field of the spec."""
    labels, namespace = more.pop("labels", {}), more.pop("namespace", "default")
    status = more.pop("status", {"phase": "Running" if on else "Pending"})
    meta = more.pop("meta", {})
    spec: dict[str, Any] = {"containers": [container(**(requests or {}))], **more}
    spec["schedulerName"] = spec.get("schedulerName", "default-scheduler")
    if on:
        spec["nodeName"] = on
    metadata = {
        "name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels, **meta,
    }  # fmt: skip
    return freeze(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}
    )


class Objects:
    """A lister over a plain list of objects."""

    def __init__(self, objects: list[Obj]) -> None:
        self.objects: dict[tuple[str, str], Obj] = {}
        for obj in objects:
            self.objects[f"{obj['apiVersion']}/{obj['kind']}", key_of(obj)] = obj

    def get(self, kind: str, key: str) -> Obj | None:
        return self.objects.get((kind, key))

    def list(self, kind: str, namespace: str = "") -> list[Obj]:
        return [
            obj
            for (known, _), obj in self.objects.items()
            if known == kind and namespace in ("", obj["metadata"].get("namespace"))
        ]


class Lab:
    """Nodes, placed pods and other objects; decides on pods without changing anything."""

    def __init__(
        self,
        nodes: Sequence[Obj],
        pods: Sequence[Obj] = (),
        objects: Sequence[Obj] = (),
        profile: Profile | None = None,
        memo: bool = True,
    ) -> None:
        self.cache = Cache()
        for obj in nodes:
            self.cache.set_node(obj)
        for obj in pods:
            self.cache.add_pod(parse_pod(obj))
        self.profile = profile or default_profile()
        lister = Objects([*objects, *pods])
        self.handle = Handle(lister, self.cache, Nominator(), Memo(enabled=memo))

    def cycle(self, obj: Obj, now: int = 0) -> Cycle:
        return Cycle(parse_pod(obj), self.profile, self.handle, now)

    def decide(self, obj: Obj) -> Outcome:
        return evaluate(self.cycle(obj), 0, 0)

    def reasons(self, obj: Obj) -> dict[str, Any]:
        """Each node's verdict: the plugin and its reasons, or None."""
        return {
            name: (status.plugin, *status.reasons) if status else None
            for name, status in self.decide(obj).verdicts
        }

    def scores(self, obj: Obj, plugin: str, raw: bool = False) -> dict[str, int] | None:
        """A plugin's scores by node, or None where it was skipped."""
        outcome = self.decide(obj)
        names = [info.name for info in outcome.feasible]
        for column in outcome.scores:
            if column.plugin == plugin:
                return dict(zip(names, column.raw if raw else column.normalized, strict=True))
        return None

    def info(self, name: str) -> NodeInfo:
        return self.cache.nodes[name]

    def pod_info(self, obj: Obj) -> PodInfo:
        return parse_pod(obj)


class StubServer(Component):
    """Keeps objects, answers lists and watches, binds pods, merges status patches."""

    def start(self) -> None:
        self.store: dict[str, dict[str, Obj]] = {}
        self.watches: dict[tuple[str, int], str] = {}
        self.asked: list[Request] = []
        self.revision = 10
        self.refuse_binding = ""

    def request(self, client: str, call_id: int, request: Request) -> None:
        self.asked.append(request)
        parts = request.path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        else:
            namespace = ""
        plural, name, sub = (*parts, "", "")[:3]
        if request.query.get("watch"):
            self.watches[client, call_id] = plural
            self.send(client, "response", call_id, Response(200))
            return
        key = f"{namespace}/{name}" if namespace else name
        answer = getattr(self, f"_{request.method.lower()}")(request, plural, key, sub)
        self.send(client, "response", call_id, answer)

    def _get(self, request: Request, plural: str, key: str, sub: str) -> Response:
        items = list(self.store.get(plural, {}).values())
        head = {"metadata": {"resourceVersion": str(self.revision)}, "items": items}
        return Response(200, EMPTY, freeze(head))

    def _post(self, request: Request, plural: str, key: str, sub: str) -> Response:
        if sub == "binding":
            if self.refuse_binding:
                body = Obj(kind="Status", code=409, reason="Conflict", message=self.refuse_binding)
                return Response(409, EMPTY, body)
            bound = with_(
                self.store["pods"][key], ("spec", "nodeName"), request.body["target"]["name"]
            )
            self.put(bound)
            return Response(201, EMPTY, EMPTY)
        if request.body["kind"] != "Event":
            self.put(request.body)
        else:
            self.store.setdefault("events", {})[key_of(request.body)] = request.body
        return Response(201, EMPTY, request.body)

    def _patch(self, request: Request, plural: str, key: str, sub: str) -> Response:
        old = self.store.get(plural, {}).get(key)
        if old is None:
            return Response(404, EMPTY, Obj(kind="Status", code=404, reason="NotFound"))
        if plural != "events":
            self.put(_merge(old, request.body))
        return Response(200, EMPTY, old)

    def _delete(self, request: Request, plural: str, key: str, sub: str) -> Response:
        old = self.store.get(plural, {}).get(key)
        if old is None:
            return Response(404, EMPTY, Obj(kind="Status", code=404, reason="NotFound"))
        self.put(with_(old, ("metadata", "deletionTimestamp"), self.timestamp))
        self.after(5, "vanish", plural, key)
        return Response(200, EMPTY, old)

    def put(self, obj: Obj) -> None:
        """Keeps an object and tells the watchers."""
        plural = kinds.by_kind(obj["apiVersion"], obj["kind"]).plural
        self.revision += 1
        obj = with_(obj, ("metadata", "resourceVersion"), str(self.revision))
        kept = self.store.setdefault(plural, {})
        type_ = "MODIFIED" if key_of(obj) in kept else "ADDED"
        kept[key_of(obj)] = obj
        self._tell(plural, type_, obj)

    def vanish(self, plural: str, key: str) -> None:
        """An object is gone."""
        obj = self.store[plural].pop(key, None)
        if obj is not None:
            self.revision += 1
            obj = with_(obj, ("metadata", "resourceVersion"), str(self.revision))
            self._tell(plural, "DELETED", obj)

    def _tell(self, plural: str, type_: str, obj: Obj) -> None:
        for (client, call_id), wanted in self.watches.items():
            if wanted == plural:
                self.send(client, "watched", call_id, type_, obj)


def _merge(old: Any, patch: Any) -> Any:
    """A merge patch, with conditions merged by type."""
    out = dict(old or {})
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        elif name == "conditions":
            rows = {row["type"]: row for row in out.get(name) or ()}
            rows.update({row["type"]: row for row in value})
            out[name] = list(rows.values())
        elif isinstance(value, dict):
            out[name] = _merge(out.get(name), value)
        else:
            out[name] = value
    return freeze(out)


class Scene:
    """A world with the stub and the scheduler."""

    def __init__(self, *objects: Obj, configuration: Obj | None = None, seed: int = 0) -> None:
        self.world = World(seed)
        self.server = StubServer("apiserver-1")
        self.world.add(self.server)
        self.world.step()
        for obj in objects:
            self.server.put(obj)
        self.scheduler = Scheduler("scheduler", ("apiserver-1",), configuration)
        self.world.add(self.scheduler)
        self.run(0.5)

    def run(self, seconds: float) -> None:
        """Lets so much virtual time pass."""
        end = self.world.now + round(seconds * SECOND)
        while (due := self.world.next_time()) is not None and due <= end:
            self.world.step()
        self.world.now = end

    def put(self, *objects: Obj, seconds: float = 0.5) -> None:
        """Creates or changes objects, and lets time pass."""
        for obj in objects:
            self.server.put(obj)
        self.run(seconds)

    def remove(self, plural: str, key: str, seconds: float = 0.5) -> None:
        """Takes an object away, and lets time pass."""
        self.server.vanish(plural, key)
        self.run(seconds)

    def get(self, key: str) -> Obj:
        """A pod as the server has it."""
        return self.server.store["pods"][key]

    def node_of(self, name: str) -> str | None:
        """Where a pod is bound."""
        found: str | None = get(self.get(f"default/{name}"), "spec", "nodeName")
        return found

    def condition(self, name: str) -> Obj:
        """The pod's PodScheduled condition."""
        rows = get(self.get(f"default/{name}"), "status", "conditions", default=())
        return next((row for row in rows if row["type"] == "PodScheduled"), EMPTY)

    def events(self) -> list[tuple[str, str, str]]:
        """The recorded Events: object, reason, message."""
        return [
            (event["involvedObject"]["name"], event["reason"], event["message"])
            for event in self.server.store.get("events", {}).values()
        ]

    def message(self, name: str) -> str:
        """The message of the last decision on a pod."""
        decision = self.scheduler.explain(f"default/{name}")
        assert decision is not None
        return decision.message


def changed(obj: Obj, path: tuple[Any, ...], value: Any) -> Obj:
    """An object with one field set."""
    return with_(obj, path, value)


__all__ = [
    "HOSTNAME", "ZONE", "Lab", "Objects", "Scene", "StubServer", "changed", "container", "merged",
    "node", "pod",
]  # fmt: skip
