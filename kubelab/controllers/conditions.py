"""The conditions in an object's status: setting one, taking one away.

A condition is replaced only when its status or reason changes; then it goes to the end of the list,
and keeps the time of its last transition if the status is the same.

In Kubernetes: SetDeploymentCondition and its copies for the other kinds in pkg/controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kubelab.api.objects import EMPTY, NOTHING, Obj, get


def find(conditions: Iterable[Obj], type_: str) -> Obj | None:
    """The condition of a type."""
    for item in conditions:
        if item["type"] == type_:
            return item
    return None


def of(obj: Obj) -> Sequence[Obj]:
    """An object's conditions."""
    return get(obj, "status", "conditions", default=NOTHING)  # type: ignore[no-any-return]


def is_true(obj: Obj, type_: str) -> bool:
    """Whether the object has the condition, and it is True."""
    return (find(of(obj), type_) or EMPTY).get("status") == "True"


def drop(conditions: Iterable[Obj], type_: str) -> list[Obj]:
    """The conditions without that of a type."""
    return [item for item in conditions if item["type"] != type_]


def put(conditions: Sequence[Obj], new: dict[str, Any]) -> list[Obj]:
    """The conditions with `new` in them; unchanged if status and reason are as they were."""
    old = find(conditions, new["type"])
    if old is not None and (old["status"], old.get("reason")) == (new["status"], new.get("reason")):
        return list(conditions)
    if old is not None and old["status"] == new["status"]:
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    return [*drop(conditions, new["type"]), Obj(new)]
