"""The garbage collector: what is owned goes when its owners are gone.

It watches every kind that can own or be owned and keeps a graph by UID: who owns whom. An object
all of whose owners are gone is deleted. Three ways lead there, chosen by whoever deletes the
owner: background (the owner goes at once, then its dependents), foreground (the owner waits,
marked by the finalizer `foregroundDeletion`, until its dependents with `blockOwnerDeletion` are
gone) and orphan (the finalizer `orphan` holds the owner until the reference to it is taken out of
its dependents).

The informers are not in step with each other, so an owner that is not in the graph may just not
have been seen yet: before a dependent is deleted for it, the API server is asked for the owner
itself.

In Kubernetes: pkg/controller/garbagecollector (graph_builder.go, garbagecollector.go).
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds
from kubelab.api.kinds import Kind
from kubelab.api.objects import Arr, Obj, freeze, key_of, name_of, namespace_of, owners_of, uid_of
from kubelab.api.rest import MERGE_PATCH, Response, url
from kubelab.client.controller import Controller, custom_key
from kubelab.controllers.pods import is_terminating

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
REMEMBERED = 4096


def graph_kinds() -> list[Kind]:
    """The kinds that can own or be owned: all that are kept, in their preferred version."""
    prefixes: dict[str, None] = {}
    rows: list[Kind] = []
    for row in kinds.ALL:
        usable = row.stored and "watch" in row.verbs and "delete" in row.verbs
        if usable and row.prefix not in prefixes and row.kind != "Event":
            prefixes[row.prefix] = None
            rows.append(row)
    return rows


def is_waiting(obj: Obj, finalizer: str) -> bool:
    """Whether an object is to go but is held by this finalizer."""
    return is_terminating(obj) and finalizer in (obj["metadata"].get("finalizers") or ())


class GarbageCollector(Controller):
    """Deletes what has lost its owners. Its keys are UIDs."""

    name = "garbage-collector"

    def begin(self) -> None:
        self.objects: dict[str, Obj] = {}
        # The dependents of each owner, by UID; an owner may not have been seen yet.
        self.dependents: dict[str, dict[str, None]] = {}
        self.absent: dict[str, None] = {}
        # The rows of custom resources, by apiVersion and kind.
        self.custom: dict[tuple[str, str], Kind] = {}
        for row in graph_kinds():
            self.watch(f"{row.api_version}/{row.kind}", "on_object")

    # The graph.

    def on_object(self, old: Obj | None, new: Obj | None) -> None:
        """Any object of any kind has come, changed or gone."""
        if old is not None and (new is None or uid_of(old) != uid_of(new)):
            self._gone(old)
            old = None
        if new is None:
            return
        if new["kind"] == "CustomResourceDefinition":
            self._on_definition(new)
        uid = uid_of(new)
        self.objects[uid] = new
        self.absent.pop(uid, None)
        before = owners_of(old) if old is not None else Arr()
        after = owners_of(new)
        if before != after:
            self._link(uid, before, after)
        if not is_terminating(new):
            return
        if is_waiting(new, FOREGROUND) and (old is None or not is_waiting(old, FOREGROUND)):
            self.enqueue(uid)
            for dependent in self.dependents.get(uid, ()):
                self.enqueue(dependent)
        elif is_waiting(new, ORPHAN) and (old is None or not is_waiting(old, ORPHAN)):
            self.enqueue(uid)

    def _on_definition(self, definition: Obj) -> None:
        """The objects of a custom resource can own and be owned as soon as it is served."""
        row = kinds.of_definition(definition)
        if row is None:
            return
        for version in definition["spec"]["versions"]:
            self.custom[(f"{row.group}/{version['name']}", row.kind)] = row
        if custom_key(row) not in self.process.informers:
            handler = f"controllers.{self.name}.on_object"
            self.process.custom_informer(row).subscribe(handler)

    def _definition_gone(self, definition: Obj) -> None:
        row = kinds.of_definition(definition)
        if row is None:
            return
        self.custom = {key: held for key, held in self.custom.items() if held.prefix != row.prefix}
        informer = self.process.informers.get(custom_key(row))
        self.process.drop_informer(custom_key(row))
        for obj in informer or ():
            self._gone(obj)

    def _row(self, thing: Obj) -> Kind | None:
        """The row of an object, or of a reference to one."""
        place = (thing["apiVersion"], thing["kind"])
        return kinds.find(*place) or self.custom.get(place)

    def _url(self, obj: Obj) -> str:
        row = self._row(obj)
        return url(row, namespace_of(obj), name_of(obj)) if row is not None else ""

    def _link(self, uid: str, before: Arr, after: Arr) -> None:
        """The references of an object have changed."""
        now = {ref["uid"]: ref for ref in after}
        for ref in before:
            owner = ref["uid"]
            if owner not in now:
                self._unlink(owner, uid)
            held = self.objects.get(owner)
            # A dependent that lets go, or no longer blocks, may free an owner that waits for it.
            if held is not None and is_waiting(held, FOREGROUND):
                self.enqueue(owner)
        for owner in now:
            self.dependents.setdefault(owner, {})[uid] = None
            held = self.objects.get(owner)
            if held is None or is_waiting(held, FOREGROUND) or not self._shares(held, uid):
                self.enqueue(uid)

    def _shares(self, owner: Obj, uid: str) -> bool:
        """Whether an owner is where it may own; one in another namespace owns nothing."""
        return namespace_of(owner) in ("", namespace_of(self.objects[uid]))

    def _unlink(self, owner: str, uid: str) -> None:
        dependents = self.dependents.get(owner)
        if dependents is not None:
            dependents.pop(uid, None)
            if not dependents:
                del self.dependents[owner]

    def _gone(self, obj: Obj) -> None:
        """An object is gone: its dependents are to be looked at, and owners that wait for it."""
        if obj["kind"] == "CustomResourceDefinition":
            self._definition_gone(obj)
        uid = uid_of(obj)
        self.objects.pop(uid, None)
        self.absent[uid] = None
        if len(self.absent) > REMEMBERED:
            del self.absent[next(iter(self.absent))]
        for ref in owners_of(obj):
            self._unlink(ref["uid"], uid)
            owner = self.objects.get(ref["uid"])
            if owner is not None and is_waiting(owner, FOREGROUND):
                self.enqueue(ref["uid"])
        for dependent in self.dependents.get(uid, ()):
            self.enqueue(dependent)

    # One turn.

    def sync(self, key: str) -> None:
        """Decides about one object."""
        obj = self.objects.get(key)
        if obj is None:
            self.note(key="an object that is gone", act="—")
            return
        self.note(key=f"{obj['kind']} {key_of(obj)}", object=f"{obj['kind']}/{name_of(obj)}")
        if is_waiting(obj, ORPHAN):
            self._orphan(obj)
        elif is_waiting(obj, FOREGROUND):
            self._release(obj)
        elif not is_terminating(obj) and owners_of(obj):
            self._judge(obj)

    def _judge(self, obj: Obj) -> None:
        """Sorts the owners of an object into solid, gone and waiting, and acts on it."""
        solid: list[Obj] = []
        dangling: list[Obj] = []
        waiting: list[Obj] = []
        unknown = False
        for ref in owners_of(obj):
            owner = self.objects.get(ref["uid"])
            if owner is not None and not self._shares(owner, uid_of(obj)):
                self._tell_of_stranger(obj, ref)
                dangling.append(ref)
            elif owner is not None:
                (waiting if is_waiting(owner, FOREGROUND) else solid).append(ref)
            elif ref["uid"] in self.absent:
                dangling.append(ref)
            else:
                unknown = True
                self._ask(obj, ref)
        if unknown:
            self.note(act="ask for owners")
            return
        self.note(wish=len(solid), seen=len(owners_of(obj)))
        if solid:
            if dangling or waiting:
                self.note(act="drop dead references")
                self._drop(obj, [ref["uid"] for ref in (*dangling, *waiting)])
            return
        policy = "Background"
        if waiting and self.dependents.get(uid_of(obj)):
            policy = "Foreground"
        finalizers = obj["metadata"].get("finalizers") or ()
        if ORPHAN in finalizers:
            policy = "Orphan"
        elif FOREGROUND in finalizers:
            policy = "Foreground"
        gone = (dangling or waiting)[0]
        self.note(act="delete 1", owner=f"{gone['kind']}/{gone['name']}", policy=policy)
        body = {
            "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy,
            "preconditions": {"uid": uid_of(obj)},
        }  # fmt: skip
        if _is_built_in(obj):
            self.delete(_kind_name(obj), namespace_of(obj), name_of(obj), "collected", body=body)
        else:
            self.request("DELETE", self._url(obj), "collected", body=freeze(body))

    def collected(self, response: Response) -> bool:
        """A successor of the same name is none of ours."""
        return response.status == 409

    def _tell_of_stranger(self, obj: Obj, ref: Obj) -> None:
        """Warns of an owner that exists, but not where it could own this object."""
        space = namespace_of(obj)
        owner = (
            f"[{ref['apiVersion']}/{ref['kind']}, namespace: {space}, name: {ref['name']}, "
            f"uid: {ref['uid']}]"
        )
        text = f'ownerRef {owner} does not exist in namespace "{space}"'
        self.recorder.event(obj, "Warning", "OwnerRefInvalidNamespace", text)

    def _ask(self, obj: Obj, ref: Obj) -> None:
        """Asks the API server for an owner that the graph does not have."""
        kind = self._row(ref)
        if kind is None:
            # What we cannot look up we must not take for gone.
            return
        path = url(kind, namespace_of(obj), ref["name"])
        self.request("GET", path, "asked", ref["uid"])

    def asked(self, response: Response, uid: str) -> None:
        """The owner, or that there is none; the object is judged once more."""
        if response.status == 404 or (response.ok and uid_of(response.body) != uid):
            self.absent[uid] = None
        elif response.ok:
            self.objects.setdefault(uid, response.body)
        self.enqueue(self.key)

    def _drop(self, obj: Obj, uids: list[str]) -> None:
        """Takes references out of an object."""
        metadata = obj["metadata"]
        left = [ref for ref in owners_of(obj) if ref["uid"] not in uids]
        patch = {"metadata": {"uid": uid_of(obj), "ownerReferences": left or None}}
        if metadata.get("resourceVersion"):
            patch["metadata"]["resourceVersion"] = metadata["resourceVersion"]
        self._merge(obj, patch, "dropped")

    def dropped(self, response: Response) -> None:
        """The references are gone; an owner that waits for that is worked by its own key."""

    def _release(self, obj: Obj) -> None:
        """Lets an owner go whose blocking dependents are gone."""
        uid = uid_of(obj)
        blocking = [
            dependent
            for dependent in self.dependents.get(uid, ())
            if dependent in self.objects and _blocks(self.objects[dependent], uid)
        ]
        self.note(wish=0, seen=len(blocking))
        if not blocking:
            self.note(act="let it go")
            self._unfinalize(obj, FOREGROUND)
            return
        self.note(act="wait for dependents")
        for dependent in blocking:
            self.enqueue(dependent)

    def _orphan(self, obj: Obj) -> None:
        """Takes the reference to an owner out of its dependents; then the owner may go."""
        uid = uid_of(obj)
        dependents = [
            self.objects[name] for name in self.dependents.get(uid, ()) if name in self.objects
        ]
        self.note(wish=0, seen=len(dependents))
        if not dependents:
            self.note(act="let it go")
            self._unfinalize(obj, ORPHAN)
            return
        self.note(act=f"orphan {len(dependents)}")
        for dependent in dependents:
            self._drop(dependent, [uid])
        self.enqueue(uid)

    def _unfinalize(self, obj: Obj, finalizer: str) -> None:
        metadata = obj["metadata"]
        left = [name for name in metadata["finalizers"] if name != finalizer]
        patch = {
            "metadata": {
                "uid": uid_of(obj),
                "resourceVersion": metadata["resourceVersion"],
                "finalizers": left or None,
            }
        }
        self._merge(obj, patch)

    def _merge(self, obj: Obj, patch: dict[str, Any], reply: str = "") -> None:
        """A merge patch of an object of any kind."""
        if _is_built_in(obj):
            self.patch(
                _kind_name(obj), namespace_of(obj), name_of(obj), patch, reply, style=MERGE_PATCH
            )
            return
        headers = self.process.patch_headers[MERGE_PATCH]
        self.request("PATCH", self._url(obj), reply, body=freeze(patch), headers=headers)


def _is_built_in(obj: Obj) -> bool:
    return kinds.find(obj["apiVersion"], obj["kind"]) is not None


def _kind_name(obj: Obj) -> str:
    return f"{obj['apiVersion']}/{obj['kind']}"


def _blocks(obj: Obj, uid: str) -> bool:
    """Whether an object holds up the deletion of this owner."""
    return any(ref["uid"] == uid and ref.get("blockOwnerDeletion") for ref in owners_of(obj))
