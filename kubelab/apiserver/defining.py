"""The life of a CustomResourceDefinition: names accepted, established, and at its end cleared away.

The server watches definitions in its own cache and writes their status as any client would: first
it accepts the names unless another definition of the group has them, then it establishes the
resource. A definition that is being deleted first loses all its objects. Each step follows from
what the definition is now, so that several servers may do it and the later ones find it done.

In Kubernetes: k8s.io/apiextensions-apiserver/pkg/controller (status, establish, finalizer).
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds
from kubelab.api.kinds import CustomKind
from kubelab.api.objects import EMPTY, NOTHING, Arr, Obj, get, merged, name_of, namespace_of, with_
from kubelab.api.rest import Request, url
from kubelab.apiserver import bootstrap, customresources
from kubelab.apiserver.cacher import WatchCache
from kubelab.apiserver.customresources import DEFINITIONS
from kubelab.sim.kernel import Component, timestamp

SERVICES = "/registry/apiregistration.k8s.io/apiservices/"
DEFINITION = kinds.named("apiextensions.k8s.io/v1/CustomResourceDefinition")
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
ESTABLISHED = {
    "type": "Established", "status": "True", "reason": "InitialNamesAccepted",
    "message": "the initial names have been accepted",
}  # fmt: skip


def with_condition(definition: Obj, new: dict[str, str], now: str) -> Obj:
    """The definition with a condition; its time moves only with its status."""
    held = list(get(definition, "status", "conditions", default=NOTHING) or NOTHING)
    for at, old in enumerate(held):
        if old["type"] == new["type"]:
            moment = old.get("lastTransitionTime") if old["status"] == new["status"] else now
            held[at] = _ordered(new, moment)
            break
    else:
        held.append(_ordered(new, now))
    changed: Obj = with_(definition, ("status", "conditions"), Arr(held))
    return changed


def _ordered(new: dict[str, str], moment: Any) -> Obj:
    return Obj({
        "type": new["type"], "status": new["status"], "lastTransitionTime": moment,
        "reason": new["reason"], "message": new["message"],
    })  # fmt: skip


def named(definition: Obj, others: list[Obj], now: str) -> Obj:
    """The definition with the names that no other of its group has."""
    taken, taken_kinds = _taken(others)
    wished = definition["spec"]["names"]
    accepted: dict[str, Any] = dict(get(definition, "status", "acceptedNames", default=EMPTY))
    said = {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts",
            "message": "no conflicts found"}  # fmt: skip
    for field, used in (
        ("plural", taken), ("singular", taken), ("shortNames", taken), ("kind", taken_kinds),
        ("listKind", taken_kinds),
    ):  # fmt: skip
        value, held = wished.get(field), accepted.get(field)
        words = value if field == "shortNames" else [value]
        clash = [word for word in words or () if value != held and word in used]
        if clash:
            reason = field[0].upper() + field[1:] + "Conflict"
            texts = [f'"{word}" is already in use' for word in clash]
            text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
            said = {**said, "status": "False", "reason": reason, "message": text}
        elif value is None:
            accepted.pop(field, None)
        else:
            accepted[field] = value
    accepted["categories"] = wished.get("categories")
    order = ("plural", "singular", "shortNames", "kind", "listKind", "categories")
    names = Obj({field: accepted[field] for field in order if accepted.get(field) is not None})
    definition = with_(definition, ("status", "acceptedNames"), names)
    definition = with_condition(definition, said, now)
    if not customresources.is_true(definition, "Established"):
        fine = said["status"] == "True"
        waits = {
            "type": "Established",
            "status": "False",
            "reason": "Installing" if fine else "NotAccepted",
            "message": ESTABLISHED["message"] if fine else "not all names are accepted",
        }
        if fine or not customresources.condition(definition, "Established"):
            definition = with_condition(definition, waits, now)
    return definition


def _taken(others: list[Obj]) -> tuple[list[str], list[str]]:
    words: list[str] = []
    kinds_: list[str] = []
    for other in others:
        names = get(other, "status", "acceptedNames", default=EMPTY)
        words += [names.get("plural"), names.get("singular"), *(names.get("shortNames") or ())]
        kinds_ += [names.get("kind"), names.get("listKind")]
    return words, kinds_


class Defining(Component):
    """The part of an `APIServer` that looks after CustomResourceDefinitions."""

    caches: dict[str, WatchCache]
    custom: dict[tuple[str, str, str], CustomKind]

    def open_cache(self, prefix: str) -> bool:
        """Opens the cache of a directory; see `APIServer`."""
        raise NotImplementedError

    def backend_changed(self, name: str, service: Obj | None) -> None:
        """An APIService is new, changed or gone; see `APIServer`."""
        raise NotImplementedError

    def look_at_definition(self, prefix: str, key: str, obj: Obj | None) -> None:
        """After each change of a cache: it may be a definition's, or the last of its objects."""
        if prefix == DEFINITIONS:
            self.defined(key, obj)
        elif prefix == SERVICES:
            self.backend_changed(key, obj)
        elif obj is None and any(row.prefix == prefix for row in self.custom.values()):
            self.cleared(prefix)

    def defined(self, name: str, definition: Obj | None) -> None:
        """A definition is new, changed or gone: what is served follows at once."""
        group = name.partition(".")[2]
        plural = name.partition(".")[0]
        before = {p: row for p, row in self.custom.items() if (p[0], p[2]) == (group, plural)}
        rows = customresources.rows(definition) if definition is not None else []
        same = [row.schema for row in rows] == [row.schema for row in before.values()]
        for path in before:
            del self.custom[path]
        for row in rows:
            self.custom[(row.group, row.version, row.plural)] = row
        if definition is None or (before and not same):
            self._end_watches(f"/registry/{group}/{plural}/")
        if rows:
            self.open_cache(rows[0].prefix)
        if definition is not None:
            self._look_after(definition)
        elif group:
            for other in self._of_group(group, name):
                self._look_after(other)

    def _end_watches(self, prefix: str) -> None:
        """Who watches objects of a form that is no more must list them anew."""
        cache = self.caches.get(prefix)
        for watcher in list(cache.watchers.values()) if cache else ():
            assert cache is not None
            self.send(watcher.client, "closed", watcher.call_id)
            cache.forget(watcher.client, watcher.call_id)

    def _of_group(self, group: str, name: str) -> list[Obj]:
        known = self.caches[DEFINITIONS].all()
        return [d for d in known if d["spec"]["group"] == group and name_of(d) != name]

    def _look_after(self, definition: Obj) -> None:
        """The next thing to do for a definition, if there is one."""
        now = timestamp(self.now)
        if get(definition, "metadata", "deletionTimestamp"):
            self._clear_away(definition, now)
            return
        group, name = definition["spec"]["group"], name_of(definition)
        if definition["spec"]["names"] != get(definition, "status", "acceptedNames"):
            wish = named(definition, self._of_group(group, name), now)
            if wish["status"] != definition["status"]:
                self._write_status(wish)
                return
        accepted = customresources.is_true(definition, "NamesAccepted")
        if accepted and not customresources.is_true(definition, "Established"):
            self._write_status(with_condition(definition, ESTABLISHED, now))

    def _clear_away(self, definition: Obj, now: str) -> None:
        """All objects of a definition go before it does."""
        if FINALIZER not in (get(definition, "metadata", "finalizers") or ()):
            return
        prefix = customresources.prefix_of(definition)
        if not customresources.is_true(definition, "Established"):
            self._finish(definition, "NeverEstablished", "resource was never established", now)
            return
        if customresources.condition(definition, "Terminating").get("reason") in (
            None, "InstanceDeletionPending",
        ):  # fmt: skip
            self._write_status(with_condition(definition, {
                "type": "Terminating", "status": "True", "reason": "InstanceDeletionInProgress",
                "message": "CustomResource deletion is in progress",
            }, now))  # fmt: skip
            return
        if not self.open_cache(prefix):
            self.after(1, "cleared", prefix)
            return
        left = self.caches[prefix].all()
        if not left:
            self._finish(definition, "InstanceDeletionCompleted", "removed all instances", now)
        kind = next((row for row in self.custom.values() if row.prefix == prefix), None)
        for obj in left:
            if kind is not None and not get(obj, "metadata", "deletionTimestamp"):
                self._ask("DELETE", url(kind, namespace_of(obj), name_of(obj)))

    def cleared(self, prefix: str) -> None:
        """An object of a kind is gone; perhaps its definition waits for that."""
        for definition in self.caches[DEFINITIONS].all():
            if customresources.prefix_of(definition) == prefix:
                if get(definition, "metadata", "deletionTimestamp"):
                    self._look_after(definition)

    def _finish(self, definition: Obj, reason: str, message: str, now: str) -> None:
        definition = with_condition(definition, {
            "type": "Terminating", "status": "False", "reason": reason, "message": message,
        }, now)  # fmt: skip
        held = [f for f in definition["metadata"]["finalizers"] if f != FINALIZER]
        metadata = merged(definition["metadata"], finalizers=held or None)
        self._write_status(merged(definition, metadata=metadata))

    def _write_status(self, definition: Obj) -> None:
        self.note(defines=name_of(definition))
        self._ask("PUT", url(DEFINITION, "", name_of(definition), "status"), definition)

    def _ask(self, method: str, path: str, body: Obj | None = None) -> None:
        request = Request(method, path, EMPTY, EMPTY, body, bootstrap.USER)
        self.send(self.name, "request", self.name, 0, request)
