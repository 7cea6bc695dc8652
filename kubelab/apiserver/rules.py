"""Rules in CEL that a custom resource's schema gives (`x-kubernetes-validations`).

In Kubernetes: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.fielderrors import FieldError
from kubelab.sim.tree import Obj


def has_rules(schema: Any) -> bool:
    """Whether a schema has rules anywhere."""
    return False


def check(schema: Any, obj: Obj, old: Obj | None) -> list[FieldError]:
    """The rules that an object breaks."""
    return []
