"""Adoption and release: which pods (or ReplicaSets) belong to an owner.

An owner selects by labels but owns by reference. What matches its selector and has no controller
is adopted: the reference is added. What it owns but no longer matches is released: the reference
is taken away. Both are patches that name the object's UID, so that they fail on a successor of the
same name. While a claim is open the owner does nothing else; the echo of the patch works its key
again.

In Kubernetes: pkg/controller/controller_ref_manager.go. Left out: the live read of the owner before
an adoption.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubelab.api import kinds
from kubelab.api.objects import Obj, controller_of, labels_of, name_of, namespace_of, uid_of
from kubelab.api.selectors import LabelSelector
from kubelab.client.controller import Controller
from kubelab.controllers.pods import is_terminating, reference_to


def orphan_namespace(obj: Obj) -> str:
    """Index: the namespace of what has no controller."""
    return "" if controller_of(obj) else namespace_of(obj)


def claim(
    controller: Controller,
    owner: Obj,
    selector: LabelSelector,
    owned: Iterable[Obj],
    orphans: Iterable[Obj],
) -> bool:
    """Adopts and releases; True if something had to be done."""
    acts: list[str] = []
    if is_terminating(owner):
        return False
    for obj in owned:
        if not selector.matches(labels_of(obj)) and not is_terminating(obj):
            acts.append(f"release {name_of(obj)}")
            _patch(controller, obj, {"$patch": "delete", "uid": uid_of(owner)})
    for obj in orphans:
        if selector.matches(labels_of(obj)) and not is_terminating(obj):
            acts.append(f"adopt {name_of(obj)}")
            _patch(controller, obj, reference_to(owner))
    if acts:
        controller.note(act=", ".join(acts))
    return bool(acts)


def _patch(controller: Controller, obj: Obj, reference: object) -> None:
    kind = kinds.by_kind(obj["apiVersion"], obj["kind"])
    patch = {"metadata": {"ownerReferences": [reference], "uid": uid_of(obj)}}
    controller.patch(f"{kind.api_version}/{kind.kind}", namespace_of(obj), name_of(obj), patch)
