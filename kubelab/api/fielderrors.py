"""What can be wrong with a field: the causes of an Invalid answer.

A FieldError is a value: the reason, the path of the field, the value that was found and what is
wrong with it. Its message is made from these in Kubernetes' words. Validation returns lists of
them in the order in which the fields are looked at, which users see.

In Kubernetes: k8s.io/apimachinery/pkg/util/validation/field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from kubelab.sim.tree import Obj

# The value of a complaint that does not show it.
OMITTED = Obj()
# The words of a cause by its reason.
_WORDS = {
    "FieldValueRequired": "Required value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueTypeInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueNotFound": "Not found",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "InternalError": "Internal error",
}
_WITHOUT_VALUE = (
    "FieldValueRequired",
    "FieldValueForbidden",
    "FieldValueTooLong",
    "InternalError",
)


class FieldError(NamedTuple):
    """What is wrong with one field; `reason` is the cause's (`FieldValueInvalid`)."""

    reason: str
    field: str
    value: Any = None
    detail: str = ""

    @property
    def message(self) -> str:
        """`Invalid value: "x": must be …`."""
        text = _WORDS[self.reason]
        if self.reason not in _WITHOUT_VALUE and self.value is not OMITTED:
            text += f": {shown(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def cause(self) -> Obj:
        """The cause in the details of a Status."""
        return Obj({"reason": self.reason, "message": self.message, "field": self.field})

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def shown(value: Any) -> str:
    """A bad value as Go prints it: strings quoted, objects as JSON, nothing as null."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def required(field: str, detail: str = "") -> FieldError:
    """A value is missing."""
    return FieldError("FieldValueRequired", field, None, detail)


def wrong(field: str, value: Any, detail: str) -> FieldError:
    """A value is not one that the field may have."""
    return FieldError("FieldValueInvalid", field, value, detail)


def unsupported(field: str, value: Any, allowed: Iterable[str]) -> FieldError:
    """A value is none of a closed list."""
    listed = ", ".join(shown(item) for item in allowed)
    detail = f"supported values: {listed}" if listed else ""
    return FieldError("FieldValueNotSupported", field, value, detail)


def not_allowed(field: str, detail: str) -> FieldError:
    """A field may not be set, or not be changed."""
    return FieldError("FieldValueForbidden", field, None, detail)


def duplicate(field: str, value: Any) -> FieldError:
    """A value stands twice where it may stand once."""
    return FieldError("FieldValueDuplicate", field, value)


def missing(field: str, value: Any) -> FieldError:
    """A value names something that is not there."""
    return FieldError("FieldValueNotFound", field, value)


def too_long(field: str, limit: int) -> FieldError:
    """A text has too many bytes."""
    return FieldError("FieldValueTooLong", field, None, f"may not be more than {limit} bytes")


def too_many(field: str, count: int, limit: int) -> FieldError:
    """A list has too many items."""
    items = "item" if limit == 1 else "items"
    return FieldError("FieldValueTooMany", field, count, f"must have at most {limit} {items}")
