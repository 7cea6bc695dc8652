"""A cache of one kind, kept up to date by list and watch.

An informer lists a kind once, then watches from the list's resourceVersion: what it holds is the
cluster as it was at some moment not long ago, never a mixture. Whoever subscribed is told of each
change with the object before and after. A broken watch goes on from the last version seen; if the
server no longer has that one (410), the informer lists anew and works out what changed meanwhile.

In Kubernetes: k8s.io/client-go/tools/cache (Reflector, SharedIndexInformer). Left out: periodic
resync, and the streaming list that newer reflectors use for the first fill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj, controller_of, get, key_of, name_of, namespace_of
from kubelab.api.rest import Response, url

if TYPE_CHECKING:
    from kubelab.client.client import Client

RETRY_SECONDS = 1.0

# `list` is a method of informers.
Objects = list[Obj]


def by_namespace(obj: Obj) -> str:
    """Index: the namespace."""
    return namespace_of(obj)


def by_node(obj: Obj) -> str:
    """Index of pods: the node they are bound to."""
    return str(get(obj, "spec", "nodeName", default=""))


def by_owner(obj: Obj) -> str:
    """Index: the UID of the controlling owner."""
    owner = controller_of(obj)
    return str(owner["uid"]) if owner else ""


class Informer:
    """The cache of one kind within one component."""

    def __init__(
        self, client: Client, key: str, kind: Kind, namespace: str = "", selector: str = ""
    ) -> None:
        self.client = client
        self.key = key
        self.kind = kind
        self.namespace = namespace
        self.selector = selector
        self.store: dict[str, Obj] = {}
        self.functions: dict[str, Callable[[Obj], str]] = {}
        self.indexes: dict[str, dict[str, dict[str, None]]] = {}
        self.handlers: list[str] = []
        self.synced = False
        self.revision = ""

    # Reading.

    def get(self, key: str) -> Obj | None:
        """The object of a key (`namespace/name`, or `name`), or None."""
        return self.store.get(key)

    def list(self, namespace: str = "") -> Objects:
        """All objects, or those of a namespace, in the order in which they were first seen."""
        if not namespace:
            return list(self.store.values())
        if "namespace" in self.indexes:
            return self.indexed("namespace", namespace)
        return [obj for obj in self.store.values() if namespace_of(obj) == namespace]

    def index(self, name: str, function: Callable[[Obj], str]) -> None:
        """Keeps an index by a function of the object (an empty value is not indexed)."""
        if name in self.functions:
            return
        self.functions[name] = function
        self.indexes[name] = {}
        for key, obj in self.store.items():
            value = function(obj)
            if value:
                self.indexes[name].setdefault(value, {})[key] = None

    def indexed(self, name: str, value: str) -> Objects:
        """The objects whose index has this value, in the order in which they came to have it."""
        return [self.store[key] for key in self.indexes[name].get(value, ())]

    def __iter__(self) -> Iterator[Obj]:
        return iter(list(self.store.values()))

    def __len__(self) -> int:
        return len(self.store)

    def subscribe(self, handler: str) -> Informer:
        """From now on `handler(old, new)` is called for every change; None stands for nothing.

        `handler` is a reply path (see `Client.request`). Present objects are told at once.
        """
        self.handlers.append(handler)
        for obj in list(self.store.values()):
            self.client.method(handler)(None, obj)
        return self

    # Listing and watching.

    def _path(self) -> str:
        return url(self.kind, self.namespace)

    def _query(self, **fields: str) -> Obj:
        if self.selector:
            fields["fieldSelector"] = self.selector
        return Obj(fields)

    def begin(self) -> None:
        """Lists, then watches."""
        reply = f"informers.{self.key}.listed"
        self.client.request("GET", self._path(), query=self._query(), reply=reply)

    def listed(self, response: Response) -> None:
        """The answer to the list: the cache is made equal to it."""
        if not response.ok:
            self.client.after(RETRY_SECONDS, "reconnect", self.key)
            return
        self.revision = response.body["metadata"]["resourceVersion"]
        head = {"apiVersion": self.kind.api_version, "kind": self.kind.kind}
        present: dict[str, None] = {}
        for item in response.body["items"]:
            obj = item if "kind" in item else Obj({**head, **item})
            present[key_of(obj)] = None
            self._put(obj)
        for key in [key for key in self.store if key not in present]:
            self._drop(key)
        self.client.note(kind=self.kind.kind, listed=len(present), revision=self.revision)
        first, self.synced = not self.synced, True
        self._watch()
        self.client.relisted(self.key)
        if first:
            self.client.informed(self.key)

    def _watch(self) -> None:
        self.client.request(
            "GET",
            self._path(),
            query=self._query(
                watch="true", resourceVersion=self.revision, allowWatchBookmarks="true"
            ),
            reply=f"informers.{self.key}.opened",
            context=(f"informers.{self.key}.changed", f"informers.{self.key}.broken"),
            watch=True,
        )

    def opened(self, response: Response, *_: str) -> None:
        """The answer to the watch request: events follow, unless it failed."""
        if not response.ok:
            self.broken()

    def changed(self, type_: str, obj: Obj) -> None:
        """One event of the watch."""
        if type_ == "ERROR":
            self.revision = ""
            self.client.note(type=type_, kind=self.kind.kind, message=obj.get("message", ""))
            self.client.after(RETRY_SECONDS, "reconnect", self.key)
            return
        self.revision = obj["metadata"]["resourceVersion"]
        if type_ == "BOOKMARK":
            self.client.note(type=type_, kind=self.kind.kind, revision=self.revision)
            return
        self.client.note(
            type=type_, kind=self.kind.kind, namespace=namespace_of(obj), name=name_of(obj),
            revision=self.revision,
        )  # fmt: skip
        if type_ == "DELETED":
            self._drop(key_of(obj))
        else:
            self._put(obj)

    def broken(self) -> None:
        """The watch has ended: go on after a pause."""
        self.client.after(RETRY_SECONDS, "reconnect", self.key)

    def resume(self) -> None:
        """Watches on from the last version seen, or lists anew."""
        if self.revision and self.synced:
            self._watch()
        else:
            self.begin()

    # The cache.

    def _put(self, obj: Obj) -> None:
        key = key_of(obj)
        old = self.store.get(key)
        if old is not None and old["metadata"].get("resourceVersion") == obj["metadata"].get(
            "resourceVersion"
        ):
            return
        self.store[key] = obj
        for name, function in self.functions.items():
            before = function(old) if old is not None else ""
            value = function(obj)
            if before != value:
                index = self.indexes[name]
                if before:
                    self._unindex(index, before, key)
                if value:
                    index.setdefault(value, {})[key] = None
        self._tell(old, obj)

    def _drop(self, key: str) -> None:
        old = self.store.pop(key, None)
        if old is None:
            return
        for name, function in self.functions.items():
            value = function(old)
            if value:
                self._unindex(self.indexes[name], value, key)
        # Whoever counts by changes must be told of the object as it was last told of it.
        self._tell(old, None)

    @staticmethod
    def _unindex(index: dict[str, dict[str, None]], value: str, key: str) -> None:
        keys = index[value]
        del keys[key]
        if not keys:
            del index[value]

    def _tell(self, old: Obj | None, new: Obj | None) -> None:
        for handler in self.handlers:
            method: Any = self.client.method(handler)
            method(old, new)
