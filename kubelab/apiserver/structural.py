"""Structural schemas: pruning and defaulting of custom resources.

The schema of a CustomResourceDefinition says of every field whether it is known, and perhaps what
it is where nobody says. `pruned` leaves out what the schema does not know (unless a part says that
it preserves unknown fields) and names it; `defaulted` fills in defaults. Both share what they do
not change and return the very same object where there was nothing to do.

What must hold: defaults are filled in when an object is written and again when it is read, so that
a default added later shows in objects that were stored before.

In Kubernetes: k8s.io/apiextensions-apiserver/pkg/apiserver/schema (pruning, defaulting).
"""

from __future__ import annotations

from operator import is_
from typing import Any

from kubelab.sim.tree import EMPTY, Arr, Obj

HEAD = ("apiVersion", "kind", "metadata")
PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"


def pruned(schema: Any, obj: Obj) -> tuple[Obj, list[str]]:
    """The object without unknown fields, and their paths in document order."""
    unknown: list[str] = []
    return _prune_object(schema, obj, "", unknown, root=True), unknown


def _prune(schema: Any, value: Any, path: str, unknown: list[str]) -> Any:
    if isinstance(value, dict):
        return _prune_object(schema, value, path, unknown, root=bool(schema.get(EMBEDDED)))
    if isinstance(value, list):
        inner = schema.get("items")
        if not isinstance(inner, dict):
            return value
        items = [_prune(inner, item, f"{path}[{at}]", unknown) for at, item in enumerate(value)]
        return value if all(map(is_, items, value)) else Arr(items)
    return value


def _prune_object(
    schema: Any, value: dict[str, Any], path: str, unknown: list[str], *, root: bool
) -> Any:
    properties = schema.get("properties") or EMPTY
    extra = schema.get("additionalProperties")
    kept = bool(schema.get(PRESERVE)) or extra is True
    out: dict[str, Any] = {}
    for key, item in value.items():
        below = f"{path}.{key}" if path else key
        if root and key in HEAD:
            out[key] = item
        elif key in properties:
            out[key] = _prune(properties[key], item, below, unknown)
        elif isinstance(extra, dict):
            out[key] = _prune(extra, item, below, unknown)
        elif kept:
            out[key] = item
        else:
            unknown.append(below)
    same = len(out) == len(value) and all(map(is_, out.values(), value.values()))
    return value if same and type(value) is Obj else Obj(out)


def defaulted(schema: Any, value: Any) -> Any:
    """The value with the schema's defaults; nulls that may not stand are dropped."""
    if isinstance(value, list):
        inner = schema.get("items")
        if not isinstance(inner, dict):
            return value
        items = [defaulted(inner, item) for item in value]
        return value if all(map(is_, items, value)) else Arr(items)
    if not isinstance(value, dict):
        return value
    out = dict(value)
    for key, inner in (schema.get("properties") or EMPTY).items():
        if out.get(key) is None and (key not in out or not inner.get("nullable")):
            if inner.get("default") is not None:
                out[key] = inner["default"]
            else:
                out.pop(key, None)
                continue
        out[key] = defaulted(inner, out[key])
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        known = schema.get("properties") or EMPTY
        for key, item in value.items():
            if key not in known:
                out[key] = defaulted(extra, item)
    same = len(out) == len(value) and all(out[key] is item for key, item in value.items())
    return value if same else Obj(out)
