"""A small API server and one machine, so that a kubelet can be tested alone.

The stub keeps objects in a dict, sends every watch every change, and remembers each status of a pod
and each Event with its time. It knows nothing of defaults or validation: a test's pods are
complete.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import Obj, freeze, get, merged, with_
from kubelab.api.rest import Request, Response
from kubelab.kubelet.kubelet import Kubelet
from kubelab.network.fabric import Fabric
from kubelab.network.kernel import Kernel
from kubelab.runtime.containerd import Containerd
from kubelab.runtime.tools import Tools
from kubelab.sim.kernel import SECOND, Component, World

NODE = "node-1"


class Api(Component):
    """The component `apiserver-1`, in outline."""

    def __init__(self) -> None:
        super().__init__("apiserver-1")
        self.objects: dict[str, Obj] = {}
        self.watches: list[tuple[str, int, str, str]] = []
        self.version = 0
        self.history: list[tuple[int, str, Obj]] = []
        self.events: list[tuple[int, Obj]] = []
        self.requests: list[Request] = []

    def put(self, path: str, obj: Obj) -> Obj:
        """Stores an object and tells the watches."""
        self.version += 1
        kind = "MODIFIED" if path in self.objects else "ADDED"
        obj = with_(obj, ("metadata", "resourceVersion"), str(self.version))
        self.objects[path] = obj
        self.tell_watches(kind, path, obj)
        return obj

    def drop(self, path: str) -> None:
        """Removes an object and tells the watches."""
        obj = self.objects.pop(path, None)
        if obj is not None:
            self.version += 1
            self.tell_watches(
                "DELETED", path, with_(obj, ("metadata", "resourceVersion"), str(self.version))
            )

    def tell_watches(self, kind: str, path: str, obj: Obj) -> None:
        """One event to each watch of the collection."""
        if "/pods/" in path:
            self.history.append((self.now, kind, obj))
        for client, call, plural, namespace in self.watches:
            if f"/{plural}/" in path and (not namespace or f"/namespaces/{namespace}/" in path):
                self.send(client, "watched", call, kind, obj)

    def request(self, client: str, call: int, request: Request) -> None:
        """Answers a request."""
        self.requests.append(request)
        path = request.path
        last = path.rpartition("/")[2]
        if request.query.get("watch"):
            self.watches.append((client, call, last, _namespace(path)))
            response = Response(200)
        elif request.method == "GET" and path in self.objects:
            response = Response(200, body=self.objects[path])
        elif request.method == "GET" and last in ("pods", "nodes", "services"):
            items = [obj for key, obj in self.objects.items() if f"/{last}/" in key]
            metadata = {"resourceVersion": str(self.version)}
            response = Response(200, body=freeze({"metadata": metadata, "items": items}))
        elif request.method == "POST":
            response = self.created(path, request.body)
        elif request.method == "PUT":
            response = Response(200, body=self.put(path, request.body))
        elif request.method == "PATCH" and path.removesuffix("/status") in self.objects:
            response = self.patched(path.removesuffix("/status"), request.body)
        elif request.method == "DELETE" and path in self.objects:
            response = Response(200, body=self.objects[path])
            self.drop(path)
        else:
            response = Response(404, body=freeze({"reason": "NotFound", "message": "not found"}))
        self.send(client, "response", call, response)

    def created(self, path: str, obj: Obj) -> Response:
        """POST."""
        if path.endswith("/events"):
            self.events.append((self.now, obj))
        full = f"{path}/{obj['metadata']['name']}"
        uid = f"uid-{obj['metadata']['name']}"
        return Response(201, body=self.put(full, with_(obj, ("metadata", "uid"), uid)))

    def patched(self, path: str, patch: Obj) -> Response:
        """A strategic merge patch, as far as the kubelet uses it."""
        obj = self.objects[path]
        if "count" in patch:
            event = merged(obj, **patch)
            self.events.append((self.now, event))
            return Response(200, body=self.put(path, event))
        status: dict[str, Any] = dict(get(obj, "status", default={}))
        for key, value in patch["status"].items():
            if key == "conditions":
                passing = ("reason", "message")
                value = [
                    {k: v for k, v in row.items() if v is not None or k not in passing}
                    for row in value
                ]
                new = {row["type"]: row for row in value}
                old = [row for row in status.get("conditions", ()) if row["type"] not in new]
                status[key] = [*old, *value]
            elif value is None:
                status.pop(key, None)
            elif key == "podIPs":
                status[key] = [row for row in value if "$patch" not in row]
            elif not key.startswith("$"):
                status[key] = value
        return Response(200, body=self.put(path, merged(obj, status=status)))


def _namespace(path: str) -> str:
    return path.split("/namespaces/")[1].split("/")[0] if "/namespaces/" in path else ""


class Lab:
    """One machine with its kubelet, and the stub."""

    def __init__(self, seed: int = 0, *, pod_cidr: str = "10.244.1.0/24", **node: Any) -> None:
        self.world = World(seed)
        self.api = self.world.add(Api())
        assert isinstance(self.api, Api)
        self.world.add(Fabric())
        self.runtime = Containerd(f"runtime/{NODE}")
        self.world.add(self.runtime)
        self.world.add(Tools(f"tools/{NODE}"))
        spec = {"podCIDR": pod_cidr} if pod_cidr else {}
        manifest = {"metadata": {"name": NODE}, "spec": spec, **node}
        self.kernel = Kernel(f"kernel/{NODE}")
        self.world.add(self.kernel)
        self.kubelet = Kubelet(f"kubelet/{NODE}", freeze(manifest), address="192.168.0.11")
        self.world.add(self.kubelet)
        self.run(1)
        self.begin = self.world.now

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        end = self.world.now + round(seconds * SECOND)
        while (due := self.world.next_time()) is not None and due <= end:
            self.world.step()
        self.world.now = end

    def at(self, seconds: float) -> None:
        """Lets time pass up to so long after the pod was made."""
        self.run((self.begin - self.world.now) / SECOND + seconds)

    def put(self, path: str, obj: dict[str, Any]) -> Obj:
        """Stores an object."""
        return self.api.put(path, freeze(obj))

    def config_map(self, name: str, data: dict[str, str], kind: str = "ConfigMap") -> None:
        """Stores a ConfigMap (or Secret) of the namespace default."""
        metadata = {"name": name, "namespace": "default"}
        plural = f"{kind.lower()}s"
        obj = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}
        self.put(f"/api/v1/namespaces/default/{plural}/{name}", obj)

    def pod(self, *containers: dict[str, Any], name: str = "web", **spec: Any) -> str:
        """Binds a pod to the node; returns its path. Times are counted from here."""
        self.begin = self.world.now
        metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1}
        metadata["annotations"] = spec.pop("annotations", {})
        metadata["labels"] = spec.pop("labels", {})
        full = {
            "nodeName": NODE, "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
            "containers": [{"imagePullPolicy": "IfNotPresent", **c} for c in containers], **spec,
        }  # fmt: skip
        path = f"/api/v1/namespaces/default/pods/{name}"
        self.put(path, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": full})
        return path

    def delete(self, path: str, grace: int = 30) -> None:
        """Marks a pod as deleted, as the API server does."""
        pod = with_(
            self.api.objects[path], ("metadata", "deletionTimestamp"), "2026-01-01T00:01:00Z"
        )
        self.api.put(path, with_(pod, ("metadata", "deletionGracePeriodSeconds"), grace))

    def status(self, path: str = "/api/v1/namespaces/default/pods/web") -> Obj:
        """The status of a pod as the API server has it."""
        held: Obj = get(self.api.objects[path], "status", default=freeze({}))
        return held

    def seconds(self, ns: int) -> float:
        """A time, counted from when the pod was made."""
        return round((ns - self.begin) / SECOND, 3)

    def happened(self, *reasons: str) -> list[tuple[float, str, str]]:
        """The Events about pods with their times, or those with the given reasons."""
        return [
            (self.seconds(ns), event["reason"], event["message"])
            for ns, event in self.api.events
            if event["involvedObject"]["kind"] == "Pod"
            and (not reasons or event["reason"] in reasons)
        ]

    def states(self, container: str = "app") -> list[tuple[float, str]]:
        """How a container's state, as the status shows it, changed over time."""
        found: list[tuple[float, str]] = []
        for ns, _, pod in self.api.history:
            rows = [
                *get(pod, "status", "initContainerStatuses", default=()),
                *get(pod, "status", "containerStatuses", default=()),
            ]
            for row in rows:
                if row["name"] == container:
                    kind, detail = next(iter(row["state"].items()))
                    text = detail.get("reason", "Running") if kind != "running" else "Running"
                    text += f" {row['restartCount']}" + (" ready" if row["ready"] else "")
                    if not found or found[-1][1] != text:
                        found.append((self.seconds(ns), text))
        return found

    def phases(self) -> list[tuple[float, str]]:
        """How the pod's phase changed over time."""
        found: list[tuple[float, str]] = []
        for ns, kind, pod in self.api.history:
            text = "gone" if kind == "DELETED" else get(pod, "status", "phase", default="")
            if text and (not found or found[-1][1] != text):
                found.append((self.seconds(ns), text))
        return found
