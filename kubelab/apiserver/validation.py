"""Validation: what may be stored, kind by kind.

`validate_create` and `validate_update` list what is wrong, in the order in which Kubernetes looks,
each with field path and message to the letter; an empty list means that the object may be stored.
Objects come here after defaults and admission and before addresses are handed out.
Each group of kinds has a file; this one knows which function looks at which kind.

What must hold: validation reads the object (and for an update the earlier one) and nothing else.

In Kubernetes: pkg/apis/*/validation. Left out: most fields that nothing in the lab acts on.
"""

from __future__ import annotations

from collections.abc import Callable

from kubelab.api.fielderrors import FieldError
from kubelab.api.kinds import CustomKind, Kind
from kubelab.apiserver import (
    resizing,
    structural_check,
    validation_admission,
    validation_core,
    validation_definitions,
    validation_meta,
    validation_pods,
    validation_policies,
    validation_services,
    validation_workloads,
)
from kubelab.apiserver.validation_meta import Errors
from kubelab.sim.tree import Obj

Create = Callable[[Obj], Errors]
Update = Callable[[Obj, Obj], Errors]

CREATE: dict[tuple[str, str], Create] = {
    ("", "Pod"): validation_pods.pod,
    **validation_core.CREATE,
    **validation_policies.CREATE,
    **validation_admission.CREATE,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): validation_definitions.definition,
    **validation_services.CREATE,
    **validation_workloads.CREATE,
}
UPDATE: dict[tuple[str, str], Update] = {
    ("", "Pod"): validation_pods.pod_update,
    **validation_core.UPDATE,
    **validation_policies.UPDATE,
    **validation_admission.UPDATE,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): validation_definitions.definition_update,
    **validation_services.UPDATE,
    **validation_workloads.UPDATE,
}


def validate_create(kind: Kind, obj: Obj) -> list[FieldError]:
    """What is wrong with an object that is to be created."""
    errors = list(validation_meta.metadata(kind, obj))
    if isinstance(kind, CustomKind):
        return errors + structural_check.validate(kind, obj)
    look = CREATE.get((kind.group, kind.kind))
    if look is not None:
        errors += look(obj)
    return errors


def validate_update(kind: Kind, old: Obj, new: Obj, subresource: str = "") -> list[FieldError]:
    """What is wrong with a change; a subresource changes less, and less is looked at."""
    errors = list(validation_meta.metadata_update(kind, old, new))
    if isinstance(kind, CustomKind):
        return errors + structural_check.validate(kind, new, old)
    if subresource == "resize":
        return errors + list(resizing.problems(old, new))
    if subresource:
        return errors
    look = UPDATE.get((kind.group, kind.kind))
    if look is not None:
        errors += look(old, new)
    elif old.get("spec") is not new.get("spec") or "spec" not in new:
        again = CREATE.get((kind.group, kind.kind))
        if again is not None:
            errors += again(new)
    return errors
