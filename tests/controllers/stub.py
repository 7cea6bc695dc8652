"""A stub of the API server for tests of controllers: objects in a dict, watches fed from it.

It knows lists, watches, create, update, status, patch, delete with finalizers and grace,
collections and the finalize subresource, each in its simplest form; no defaults, no validation, no
admission. It keeps what was asked in `asked`, and can be told to refuse (`refuse`).
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds
from kubelab.api.objects import EMPTY, Obj, freeze, get, key_of, merged, thaw, with_, without
from kubelab.api.rest import MERGE_PATCH, Request, Response
from kubelab.client.controller import Controller
from kubelab.controllers.manager import ControllerManager
from kubelab.sim.kernel import SECOND, Component, World, timestamp


class StubServer(Component):
    """Answers as an API server would, from a dict."""

    def start(self) -> None:
        self.store: dict[str, dict[str, Obj]] = {}
        self.watches: dict[tuple[str, int], tuple[str, str]] = {}
        self.asked: list[Request] = []
        self.refuse: dict[tuple[str, str], Obj] = {}
        self.revision = 100

    # Requests.

    def request(self, client: str, call_id: int, request: Request) -> None:
        self.asked.append(request)
        self.note(method=request.method, path=request.path)
        plural, namespace, name, sub = parse(request.path)
        if request.query.get("watch"):
            self.watches[client, call_id] = (plural, namespace)
            self.send(client, "response", call_id, Response(200))
            return
        refusal = self.refuse.get((request.method, plural))
        if refusal is not None:
            self.send(client, "response", call_id, Response(refusal["code"], EMPTY, refusal))
            return
        answer = getattr(self, f"_{request.method.lower()}")(request, plural, namespace, name, sub)
        self.send(client, "response", call_id, answer)

    def _get(self, request: Request, plural: str, ns: str, name: str, sub: str) -> Response:
        kept = self.store.get(plural, {})
        if name:
            obj = kept.get(f"{ns}/{name}" if ns else name)
            return Response(200, EMPTY, obj) if obj is not None else failure(404, "NotFound")
        items = [obj for obj in kept.values() if not ns or obj["metadata"].get("namespace") == ns]
        body = {"metadata": {"resourceVersion": str(self.revision)}, "items": items}
        return Response(200, EMPTY, freeze(body))

    def _post(self, request: Request, plural: str, ns: str, name: str, sub: str) -> Response:
        body = request.body
        metadata = dict(body["metadata"])
        if not metadata.get("name"):
            metadata["name"] = metadata["generateName"] + self.chance.suffix()
        if ns:
            metadata["namespace"] = ns
        obj = with_(body, ("metadata",), metadata)
        if key_of(obj) in self.store.get(plural, {}):
            return failure(409, "AlreadyExists")
        metadata |= {"uid": self.chance.uid(), "creationTimestamp": self.timestamp}
        if obj.get("spec") is not None:
            metadata["generation"] = 1
        return Response(201, EMPTY, self.put(plural, with_(obj, ("metadata",), metadata)))

    def _put(self, request: Request, plural: str, ns: str, name: str, sub: str) -> Response:
        return self._change(plural, f"{ns}/{name}" if ns else name, request.body, sub)

    def _patch(self, request: Request, plural: str, ns: str, name: str, sub: str) -> Response:
        key = f"{ns}/{name}" if ns else name
        old = self.store.get(plural, {}).get(key)
        if old is None:
            return failure(404, "NotFound")
        strategic = request.headers.get("Content-Type") != MERGE_PATCH
        return self._change(plural, key, freeze(merge(thaw(old), request.body, strategic)), sub)

    def _change(self, plural: str, key: str, new: Obj, sub: str) -> Response:
        old = self.store.get(plural, {}).get(key)
        if old is None:
            return failure(404, "NotFound")
        wanted = new["metadata"].get("resourceVersion")
        if wanted and wanted != old["metadata"]["resourceVersion"]:
            return failure(409, "Conflict")
        if sub == "status":
            notes = new["metadata"].get("annotations")
            new = merged(old, status=new.get("status"))
            if notes:
                new = with_(new, ("metadata", "annotations"), notes)
        elif sub == "finalize":
            new = merged(old, spec=new["spec"])
        else:
            new = merged(new, status=old.get("status"))
            if new.get("spec") != old.get("spec"):
                generation = old["metadata"].get("generation", 0) + 1
                new = with_(new, ("metadata", "generation"), generation)
        if new == old:
            return Response(200, EMPTY, old)
        return Response(200, EMPTY, self.put(plural, new))

    def _delete(self, request: Request, plural: str, ns: str, name: str, sub: str) -> Response:
        options = request.body or EMPTY
        if not name:
            for obj in list(self.store.get(plural, {}).values()):
                if obj["metadata"].get("namespace") == ns:
                    self.remove(plural, key_of(obj), options)
            return Response(200, EMPTY, EMPTY)
        key = f"{ns}/{name}" if ns else name
        old = self.store.get(plural, {}).get(key)
        if old is None:
            return failure(404, "NotFound")
        if get(options, "preconditions", "uid") not in (None, old["metadata"]["uid"]):
            return failure(409, "Conflict")
        self.remove(plural, key, options)
        return Response(200, EMPTY, freeze({"kind": "Status", "status": "Success"}))

    # What is kept.

    def put(self, plural: str, obj: Obj) -> Obj:
        """Keeps an object, or lets it go if it was held only by what is gone now."""
        self.revision += 1
        obj = with_(obj, ("metadata", "resourceVersion"), str(self.revision))
        kept = self.store.setdefault(plural, {})
        metadata = obj["metadata"]
        if metadata.get("finalizers") == []:
            obj = without(obj, ("metadata", "finalizers"))
        held = metadata.get("finalizers") or get(obj, "spec", "finalizers")
        if metadata.get("deletionTimestamp") and not held and not metadata.get("grace"):
            kept.pop(key_of(obj), None)
            self.tell_watchers(plural, "DELETED", obj)
            return obj
        type_ = "MODIFIED" if key_of(obj) in kept else "ADDED"
        kept[key_of(obj)] = obj
        self.tell_watchers(plural, type_, obj)
        return obj

    def remove(self, plural: str, key: str, options: Obj = EMPTY) -> None:
        """Deletes: at once, or marked; a bound pod stays marked until `kill`."""
        obj = self.store[plural][key]
        finalizers = list(obj["metadata"].get("finalizers") or ())
        policy = options.get("propagationPolicy")
        word = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(policy or "")
        if word and word not in finalizers:
            finalizers.append(word)
        metadata = {**obj["metadata"], "deletionTimestamp": self.timestamp}
        if finalizers:
            metadata["finalizers"] = finalizers
        if plural == "pods" and get(obj, "spec", "nodeName"):
            metadata["grace"] = True
            metadata["deletionTimestamp"] = timestamp(self.now + 30 * SECOND)
        self.put(plural, with_(obj, ("metadata",), metadata))

    def kill(self, key: str) -> None:
        """What the kubelet does at the end of a pod's grace."""
        obj = self.store["pods"][key]
        self.put("pods", without(obj, ("metadata", "grace")))

    def tell_watchers(self, plural: str, type_: str, obj: Obj) -> None:
        for (client, call_id), (wanted, namespace) in self.watches.items():
            if wanted == plural and namespace in ("", obj["metadata"].get("namespace", "")):
                self.send(client, "watched", call_id, type_, obj)


def parse(path: str) -> tuple[str, str, str, str]:
    """Plural, namespace, name and subresource of a path."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in ("finalize", "status"):
        namespace, parts = parts[1], parts[2:]
    parts += [""] * (3 - len(parts))
    return parts[0], namespace, parts[1], parts[2]


def failure(code: int, reason: str, message: str = "", **details: Any) -> Response:
    """A Status that refuses."""
    return Response(code, EMPTY, status_of(code, reason, message, **details))


def status_of(code: int, reason: str, message: str = "", **details: Any) -> Obj:
    """The body of a refusal."""
    body = {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": message or reason, "details": details,
    }  # fmt: skip
    return freeze(body)  # type: ignore[no-any-return]


def merge(old: Any, patch: Any, strategic: bool) -> Any:
    """A merge patch; strategic for lists with the keys uid and type only."""
    if not isinstance(patch, dict):
        return thaw(patch)
    out = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        elif strategic and isinstance(value, list) and name in ("ownerReferences", "conditions"):
            key = "uid" if name == "ownerReferences" else "type"
            rows = {row[key]: row for row in out.get(name) or ()}
            for row in value:
                if row.get("$patch") == "delete":
                    rows.pop(row[key], None)
                else:
                    rows[row[key]] = {**rows.get(row[key], {}), **row}
            out[name] = list(rows.values())
            if not out[name]:
                del out[name]
        else:
            out[name] = merge(out.get(name), value, strategic)
    return out


class Scene:
    """A World with the stub server and a controller manager of the named controllers."""

    def __init__(self, *controllers: type[Controller], seed: int = 0) -> None:
        self.world = World(seed)
        self.server = StubServer("apiserver-1")
        self.world.add(self.server)
        self.manager = ControllerManager(controllers=controllers)
        self.world.add(self.manager)
        self.run(0.1)

    def run(self, seconds: float) -> None:
        """Lets so much virtual time pass."""
        end = self.world.now + round(seconds * SECOND)
        while (due := self.world.next_time()) is not None and due <= end:
            self.world.step()
        self.world.now = end

    def make(self, obj: dict[str, Any]) -> Obj:
        """Creates an object, as a user would."""
        row = kinds.by_kind(obj["apiVersion"], obj["kind"])
        namespace = "default" if row.namespaced else ""
        namespace = obj["metadata"].get("namespace", namespace)
        response = self.server._post(
            Request("POST", "", body=freeze(obj)), row.plural, namespace, "", ""
        )
        assert response.ok, response
        return response.body  # type: ignore[no-any-return]

    def change(self, plural: str, key: str, path: tuple[Any, ...], value: Any) -> Obj:
        """Sets a field, as a user would; a change of the spec raises the generation."""
        new = with_(self.server.store[plural][key], path, value)
        sub = "status" if path[0] == "status" else ""
        return self.server._change(plural, key, new, sub).body  # type: ignore[no-any-return]

    def get(self, plural: str, key: str) -> Obj:
        """An object as it is kept."""
        return self.server.store[plural][key]

    def list(self, plural: str) -> list[Obj]:
        """All objects of a kind."""
        return [*self.server.store.get(plural, {}).values()]

    def events(self, name: str = "") -> list[str]:
        """The Events recorded so far (on an object): `reason message`, repeats with their count."""
        return [
            f"{event['reason']} {event['message']}"
            + (f" x{event['count']}" if event["count"] > 1 else "")
            for event in self.list("events")
            if name in ("", event["involvedObject"]["name"])
        ]

    def notes(self, controller: str) -> list[Obj]:
        """The details of all turns of a controller."""
        return [
            event.detail
            for event in self.world.trace
            if event.verb == "sync" and event.detail.get("controller") == controller
        ]

    def sentences(self) -> list[str]:
        """What the controller manager tells of all it has handled."""
        return [
            ControllerManager.tell(event)
            for event in self.world.trace
            if event.target == self.manager.name
        ]

    # What the kubelets would do.

    def ready(self, key: str, ready: bool = True, node: str = "node-1") -> None:
        """A pod runs on a node and is ready, or not."""
        self.change("pods", key, ("spec", "nodeName"), node)
        status = {
            "phase": "Running",
            "podIP": "10.244.1." + str(2 + sorted(self.server.store["pods"]).index(key)),
            "conditions": [
                {
                    "type": "Ready", "status": "True" if ready else "False",
                    "lastTransitionTime": self.server.timestamp,
                }
            ],
        }  # fmt: skip
        self.change("pods", key, ("status",), status)

    def all_ready(self) -> None:
        """Every pod that is not yet ready is so now; one that is terminating is gone."""
        for key, pod in list(self.server.store.get("pods", {}).items()):
            if pod["metadata"].get("deletionTimestamp"):
                self.server.kill(key)
            elif not get(pod, "status", "conditions"):
                self.ready(key)

    def settle(self, rounds: int = 30) -> None:
        """Kubelets and controllers take turns until nothing changes any more."""
        for _ in range(rounds):
            before = self.server.revision
            self.run(0.5)
            self.all_ready()
            self.run(0.5)
            if self.server.revision == before:
                return
        raise AssertionError("the controllers do not come to rest")


def template(image: str = "nginx:1", **labels: str) -> dict[str, Any]:
    """A pod template."""
    return {
        "metadata": {"labels": labels or {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
