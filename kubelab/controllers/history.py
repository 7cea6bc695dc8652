"""ControllerRevisions: the templates that a DaemonSet or StatefulSet has had, numbered.

A ReplicaSet is its Deployment's memory of a template; DaemonSets and StatefulSets, which make their
pods themselves, keep theirs in objects made for that. Equal templates share a revision: one that
comes back gets the next number.

In Kubernetes: pkg/controller/history, and the history.go of daemon and statefulset.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kubelab.api.objects import Arr, Obj, freeze, get, name_of, namespace_of, with_
from kubelab.client.controller import Controller
from kubelab.controllers.pods import reference_to

KIND = "apps/v1/ControllerRevision"
HASH = "controller-revision-hash"
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _sorted(value: Any) -> Any:
    """The same with the keys of all objects in order, as revisions keep their data."""
    if isinstance(value, dict):
        return Obj({key: _sorted(value[key]) for key in sorted(value)})
    if isinstance(value, list):
        return Arr([_sorted(item) for item in value])
    return value


def data_of(owner: Obj) -> Obj:
    """What a revision keeps of its owner: a patch that would bring its template back."""
    template = {"$patch": "replace", **owner["spec"]["template"]}
    return _sorted(freeze({"spec": {"template": template}}))  # type: ignore[no-any-return]


def find(revisions: Iterable[Obj], data: Obj) -> Obj | None:
    """The revision that keeps this template; of several the newest."""
    same = [item for item in revisions if item.get("data") == data]
    return max(same, key=lambda item: item["revision"], default=None)


def newest(revisions: Iterable[Obj]) -> int:
    """The highest number so far."""
    return max((item["revision"] for item in revisions), default=0)


def make(owner: Obj, mark: str, labels: dict[str, str], number: int, notes: dict[str, str]) -> Obj:
    """A new revision of an owner."""
    metadata: dict[str, Any] = {
        "name": f"{name_of(owner)}-{mark}",
        "namespace": namespace_of(owner),
        "labels": labels,
        "ownerReferences": [reference_to(owner)],
    }
    if notes:
        metadata["annotations"] = notes
    return freeze({  # type: ignore[no-any-return]
        "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata,
        "data": data_of(owner), "revision": number,
    })  # fmt: skip


def renumber(controller: Controller, revision: Obj, revisions: Sequence[Obj]) -> bool:
    """Gives a revision that has come back the highest number; True if it had not."""
    top = newest(revisions)
    if revision["revision"] == top:
        return False
    controller.update(with_(revision, ("revision",), top + 1))
    return True


def prune(
    controller: Controller, owner: Obj, revisions: Sequence[Obj], live: Iterable[str]
) -> None:
    """Deletes the oldest revisions that no pod has, beyond the history limit."""
    keep = get(owner, "spec", "revisionHistoryLimit", default=10)
    used = dict.fromkeys(live)
    idle = sorted(
        (item for item in revisions if name_of(item) not in used),
        key=lambda item: item["revision"],
    )
    for item in idle[: max(0, len(idle) - keep)]:
        controller.delete(KIND, namespace_of(item), name_of(item))
