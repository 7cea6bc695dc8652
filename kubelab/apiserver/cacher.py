"""The watch cache: one kind as the store has it, and who watches it.

A cache is filled by one range and kept by one etcd watch from the range's revision on, so it is the
store at some revision, a moment late. Each change is kept for a while, so that a watch may resume
from an older revision; and it goes to the watchers whom it concerns, an object that no longer
matches a watcher's selector as DELETED, one that begins to match as ADDED.

Watchers that select by one field's value (a kubelet: `spec.nodeName=node-1`) are found by that
value, so that a change costs those whom it concerns and not all who watch.

In Kubernetes: k8s.io/apiserver/pkg/storage/cacher.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from kubelab.api.kinds import Kind
from kubelab.api.objects import EMPTY, Obj, get, labels_of, namespace_of, with_
from kubelab.api.selectors import FieldSelector, LabelSelector

# Changes kept for watches that resume.
EVENTS_KEPT = 2048


class Change(NamedTuple):
    """One change of one object: before, after (None: nothing there), and its revision."""

    revision: int
    old: Obj | None
    new: Obj | None


class Watcher(NamedTuple):
    """Who watches, and what: `kind` is the version in which objects are wanted."""

    client: str
    call_id: int
    kind: Kind
    namespace: str
    name: str
    labels: LabelSelector
    fields: FieldSelector
    bookmarks: bool
    # The one field and value that an object must have to match, if that is all it is selected by.
    exact: tuple[str, str] | None
    # The form of the objects: `` (as they are), `Table`, `PartialObjectMetadata`.
    form: str
    # What the rows of a Table hold beside their cells.
    include: str = "Metadata"

    def matches(self, obj: Obj | None) -> bool:
        """Whether an object is among what is watched."""
        if obj is None:
            return False
        metadata = obj["metadata"]
        if self.namespace and metadata.get("namespace") != self.namespace:
            return False
        if self.name and metadata.get("name") != self.name:
            return False
        return self.labels.matches(labels_of(obj)) and self.fields.matches(obj)


class WatchCache:
    """All objects of one etcd directory, recent changes, watchers."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.objects: dict[str, Obj] = {}
        self.revision = 0
        self.oldest = 0
        self.changes: deque[Change] = deque(maxlen=EVENTS_KEPT)
        self.watchers: dict[str, Watcher] = {}
        # Watchers by field and value where they select by one value; the rest in `everybody`.
        self.by_value: dict[str, dict[str, dict[str, None]]] = {}
        self.everybody: dict[str, None] = {}
        self.waiting: list[int] = []
        # Watchers of Tables that have been told the columns.
        self.tabled: dict[str, None] = {}
        # Filled, and its watch is open.
        self.filled = False

    def fill(self, objects: dict[str, Obj], revision: int) -> None:
        """The first contents."""
        self.objects = objects
        self.revision = self.oldest = revision

    def apply(self, key: str, obj: Obj | None, revision: int) -> Change | None:
        """Takes over one change from the store; None if it was known already."""
        if revision <= self.revision and (self.objects.get(key) is None) == (obj is None):
            known = self.objects.get(key)
            if known is None or int(known["metadata"]["resourceVersion"]) >= revision:
                return None
        old = self.objects.pop(key, None) if obj is None else self.objects.get(key)
        if obj is not None:
            self.objects[key] = obj
        elif old is None:
            return None
        self.revision = max(self.revision, revision)
        if len(self.changes) == EVENTS_KEPT:
            self.oldest = self.changes[0].revision
        change = Change(revision, old, obj)
        self.changes.append(change)
        return change

    def all(self, namespace: str = "") -> list[Obj]:
        """All objects, or those of a namespace, in key order."""
        keys = sorted(self.objects)
        if namespace:
            keys = [key for key in keys if namespace_of(self.objects[key]) == namespace]
        return [self.objects[key] for key in keys]

    def watch(self, watcher: Watcher) -> None:
        """Adds a watcher."""
        name = identify(watcher)
        self.watchers[name] = watcher
        if watcher.exact is None:
            self.everybody[name] = None
        else:
            field, value = watcher.exact
            self.by_value.setdefault(field, {}).setdefault(value, {})[name] = None

    def forget(self, client: str, call_id: int) -> bool:
        """Drops a watcher; whether it was there."""
        name = f"{client} {call_id}"
        watcher = self.watchers.pop(name, None)
        if watcher is None:
            return False
        self.everybody.pop(name, None)
        self.tabled.pop(name, None)
        if watcher.exact is not None:
            field, value = watcher.exact
            self.by_value[field][value].pop(name, None)
        return True

    def concerned(self, change: Change) -> Iterator[Watcher]:
        """The watchers that might want to hear of a change."""
        watchers = self.watchers
        for name in list(self.everybody):
            yield watchers[name]
        for field, values in self.by_value.items():
            path = field.split(".")
            seen = []
            for obj in (change.old, change.new):
                value = str(get(obj, *path, default="")) if obj is not None else None
                if value is not None and value not in seen:
                    seen.append(value)
                    for name in list(values.get(value, ())):
                        yield watchers[name]

    def since(self, revision: int) -> list[Change] | None:
        """The changes after a revision, or None if some of them are no longer kept."""
        if revision < self.oldest:
            return None
        return [change for change in self.changes if change.revision > revision]


def identify(watcher: Watcher) -> str:
    """The name of a watcher within its cache."""
    return f"{watcher.client} {watcher.call_id}"


def translate(watcher: Watcher, change: Change) -> tuple[str, Obj] | None:
    """What a watcher is told of a change: its type and the object, or None."""
    before, after = watcher.matches(change.old), watcher.matches(change.new)
    if after:
        assert change.new is not None
        return ("MODIFIED" if before else "ADDED"), change.new
    if before:
        # The last state that is known, under the revision of the change that took it away.
        last: Any = change.new or change.old
        return "DELETED", with_(last, ("metadata", "resourceVersion"), str(change.revision))
    return None


def bookmark(kind: Kind, revision: int, *, initial: bool = False) -> Obj:
    """The object of a BOOKMARK: only a resourceVersion."""
    notes = {"annotations": Obj({"k8s.io/initial-events-end": "true"})} if initial else EMPTY
    metadata = Obj({"resourceVersion": str(revision), **notes})
    return Obj({"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata})
