"""Which fields of an object a write has changed, old and new, as paths and texts.

Bookkeeping of who owns which field is left out, and what changes with every write stands last.

In Kubernetes: `kubectl diff` and an audit log at level RequestResponse show the same.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from kubelab.api.objects import Obj

# Of a new object these say no more than its key does.
PLAIN_FIELDS = ("apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.uid")


class Change(NamedTuple):
    """One field; empty texts stand for "not there"."""

    path: str
    old: str
    new: str


def at_key(cluster: Any, revision: int, key: str) -> Any:
    """What the store held at a key at a revision, with its numbers; or None."""
    found = cluster.at(revision=revision).keys(key)
    return next((kv for kv in found if kv.key.decode("utf-8", "replace") == key), None)


def changed(before: Any, after: Any) -> list[Change]:
    """The fields in which two values of a key differ, the telling ones first."""
    old, new = flat(before), flat(after)
    paths = [
        path for path in [*new, *(p for p in old if p not in new)] if old.get(path) != new.get(path)
    ]
    if before is None:
        paths = [path for path in paths if path not in PLAIN_FIELDS]
    paths.sort(key=lambda path: (_rank(path), path))
    return [Change(path, old.get(path, ""), new.get(path, "")) for path in paths]


def _rank(path: str) -> int:
    if path.endswith(("Time", "observedGeneration", "generation", "resourceVersion")):
        return 99
    heads = (
        "spec.nodeName",
        "spec.replicas",
        "status.phase",
        "status.podIP",
        "spec",
        "status",
        "metadata.deletion",
    )
    return next((at for at, head in enumerate(heads) if path.startswith(head)), len(heads))


def flat(kv: Any) -> dict[str, str]:
    """A value as paths and texts."""
    if kv is None:
        return {}
    value = kv.value
    if isinstance(value, bytes):
        try:
            value = json.loads(value)
        except ValueError:
            return {"value": value.decode("utf-8", "replace")}
    out: dict[str, str] = {}
    _walk(value, "", out)
    return out


def _walk(value: Any, path: str, out: dict[str, str]) -> None:
    if isinstance(value, (dict, Obj)):
        for key, item in value.items():
            if key != "managedFields":
                _walk(item, f"{path}.{key}" if path else str(key), out)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            named = isinstance(item, dict) and (item.get("type") or item.get("name"))
            _walk(item, f"{path}[{named or number}]", out)
    else:
        out[path] = value if isinstance(value, str) else json.dumps(value)
