"""API objects: the immutable tree, and the few fields that every object has.

An object is an `Obj` with `apiVersion`, `kind` and `metadata`; everything else differs by kind. The
functions here read what is common to all and never fail on an object that lacks it. The tree itself
(`Obj`, `Arr`, `with_` and so on) stands in `kubelab/sim/tree.py` and is given on from here.

In Kubernetes: k8s.io/apimachinery/pkg/apis/meta/v1 (ObjectMeta and its accessors) and
client-go/tools/cache's MetaNamespaceKeyFunc.
"""

from __future__ import annotations

from typing import Any

from kubelab.sim.tree import (
    EMPTY,
    NOTHING,
    Arr,
    Immutable,
    Obj,
    freeze,
    get,
    merged,
    thaw,
    walk,
    with_,
    without,
)

__all__ = [
    "EMPTY", "NOTHING", "Arr", "Immutable", "Obj", "annotations_of", "controller_of", "freeze",
    "get", "key_of", "labels_of", "merged", "name_of", "namespace_of", "owners_of", "thaw",
    "uid_of", "walk", "with_", "without",
]  # fmt: skip


def _metadata(obj: Any) -> Any:
    return obj.get("metadata") or EMPTY


def name_of(obj: Any) -> str:
    """metadata.name, or the empty string."""
    return str(_metadata(obj).get("name") or "")


def namespace_of(obj: Any) -> str:
    """metadata.namespace, or the empty string for what is not in a namespace."""
    return str(_metadata(obj).get("namespace") or "")


def uid_of(obj: Any) -> str:
    """metadata.uid, or the empty string."""
    return str(_metadata(obj).get("uid") or "")


def key_of(obj: Any) -> str:
    """`namespace/name`, or `name` for what is not in a namespace."""
    metadata = _metadata(obj)
    namespace = metadata.get("namespace")
    name = str(metadata.get("name") or "")
    return f"{namespace}/{name}" if namespace else name


def labels_of(obj: Any) -> Obj:
    """metadata.labels, or no labels."""
    return _metadata(obj).get("labels") or EMPTY


def annotations_of(obj: Any) -> Obj:
    """metadata.annotations, or no annotations."""
    return _metadata(obj).get("annotations") or EMPTY


def owners_of(obj: Any) -> Arr:
    """metadata.ownerReferences, or none."""
    return _metadata(obj).get("ownerReferences") or NOTHING


def controller_of(obj: Any) -> Obj | None:
    """The owner reference with `controller: true`, or None."""
    for owner in owners_of(obj):
        if owner.get("controller"):
            return owner  # type: ignore[no-any-return]
    return None
