"""What the cells of many kinds have in common.

In Kubernetes: the helpers at the end of pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kubelab.api import selectors
from kubelab.api.durations import since
from kubelab.api.objects import Obj, get

NONE = "<none>"
UNSET = "<unset>"


def age(obj: Obj, now_ns: int) -> str:
    """How long ago the object was made."""
    return since(get(obj, "metadata", "creationTimestamp"), now_ns)


def labels_text(labels: Mapping[str, str] | None) -> str:
    """`a=b,c=d`, or `<none>`."""
    return str(selectors.equal(labels)) or NONE


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector in kubectl's grammar, or `<none>`."""
    return str(selectors.compile_selector(selector)) or NONE if selector else NONE


def containers(template: Any) -> list[str]:
    """Names and images of the containers of a pod template."""
    held = get(template, "spec", "containers", default=())
    return [",".join(c["name"] for c in held), ",".join(c.get("image", "") for c in held)]


def few(texts: Iterable[str], most: int, empty: str, separator: str = ",") -> str:
    """The first texts, and how many more there are."""
    held = list(texts)
    if not held:
        return empty
    text = separator.join(held[:most])
    return text if len(held) <= most else f"{text} + {len(held) - most} more..."
