"""Looking: the objects of a cluster at a moment, read without moving anything.

A `Moment` reads the store itself, at a revision; no request is sent and no time passes. Views,
`c.at` and conditions look through it.

In Kubernetes: nothing like it; `etcdctl get --rev` comes nearest.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import errors, selectors
from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj, labels_of
from kubelab.api.rest import kind_of
from kubelab.apiserver import convert, stored
from kubelab.etcd import records
from kubelab.etcd.mvcc import Store


class Moment:
    """The cluster's objects at one revision of the store."""

    def __init__(self, store: Store, revision: int = 0) -> None:
        self._store = store
        self.revision = revision or store.revision

    def __repr__(self) -> str:
        return f"<the cluster at revision {self.revision}>"

    def _range(self, start: bytes, end: bytes = b"") -> Any:
        request = records.RangeRequest(key=start, range_end=end, revision=self.revision)
        return self._store.range(request).kvs

    def get(self, kind: str, name: str, namespace: str = "default") -> Obj:
        """One object. Raises ApiError 404 if it was not there."""
        row = kind_of(kind)
        found = self.find(row, name, namespace)
        if found is None:
            raise errors.not_found(row, name)
        return found

    def find(self, kind: Kind, name: str, namespace: str = "default") -> Obj | None:
        """One object, or None."""
        space = namespace if kind.namespaced else ""
        kvs = self._range(stored.key(kind, space, name))
        return convert.from_stored(kind, stored.decode(kvs[0]) or Obj()) if kvs else None

    def list(self, kind: str, namespace: str | None = None, selector: Any = None) -> list[Obj]:
        """All objects of a kind, or those of a namespace, in key order."""
        row = kind_of(kind)
        start, end = stored.directory(row.prefix, namespace or "")
        found = [stored.decode(kv) for kv in self._range(start, end)]
        chosen = selectors.parse_labels(label_text(selector))
        return [
            convert.from_stored(row, obj)
            for obj in found
            if obj is not None and chosen.matches(labels_of(obj))
        ]

    def keys(self, prefix: str = "/registry/") -> Any:
        """The store's own key-value records under a prefix, in key order."""
        start = prefix.encode()
        end = start[:-1] + bytes([start[-1] + 1]) if start else b"\0"
        return self._range(start or b"\0", end)


def label_text(selector: Any) -> str:
    """A label selector given as text or as a dict of labels, as text."""
    if isinstance(selector, dict):
        return ",".join(f"{key}={value}" for key, value in selector.items())
    return selector or ""
