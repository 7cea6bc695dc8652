"""A page of `kubectl describe`: lines with tabs that line up when the page is done.

In Kubernetes: PrefixWriter and the print helpers of k8s.io/kubectl/pkg/describe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubelab.api import selectors
from kubelab.api.durations import since
from kubelab.api.objects import Obj, annotations_of, controller_of, labels_of, name_of, namespace_of
from kubelab.kubectl import tabwriter
from kubelab.kubectl.applying import LAST_APPLIED
from kubelab.kubectl.events import interval
from kubelab.sim.kernel import parse_timestamp, to_datetime

LONGEST = 140
NONE = "<none>"


class Page:
    """Collects lines; `level` is the depth, two blanks each."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self.parts: list[str] = []

    def write(self, level: int, text: str) -> None:
        """A line."""
        self.parts.append("  " * level + text + "\n")

    def text(self) -> str:
        """The whole page."""
        return tabwriter.columns("".join(self.parts))

    def head(self, obj: Obj, *, namespace: bool = True) -> None:
        """Name, namespace."""
        self.write(0, f"Name:\t{name_of(obj)}")
        if namespace:
            self.write(0, f"Namespace:\t{namespace_of(obj)}")

    def marks(self, obj: Obj) -> None:
        """Labels and annotations."""
        self.labels("Labels", labels_of(obj))
        self.annotations("Annotations", annotations_of(obj))

    def labels(self, title: str, labels: Mapping[str, str] | None, indent: str = "") -> None:
        """Labels, one a line."""
        pairs = [f"{key}={labels[key]}" for key in sorted(labels)] if labels else [NONE]
        self.lines(title, pairs, indent)

    def lines(self, title: str, texts: Sequence[str], indent: str = "") -> None:
        """A title and what stands beside it, one a line."""
        for at, text in enumerate(texts):
            self.write(0, f"{indent}{title}:\t{text}" if not at else f"\t{text}")

    def annotations(self, title: str, annotations: Mapping[str, str], indent: str = "") -> None:
        """Annotations, but for what was applied last; long ones on a line of their own."""
        texts: list[str] = []
        for key in sorted(annotations):
            if key == LAST_APPLIED:
                continue
            value = annotations[key].removesuffix("\n")
            if len(value) + len(key) + 2 > LONGEST or "\n" in value:
                texts.append(f"{key}:")
                texts += [f"  {_short(line)}" for line in value.split("\n")]
            else:
                texts.append(f"{key}: {value}")
        self.lines(title, texts or [NONE], indent)

    def owner(self, obj: Obj) -> None:
        """Who controls the object."""
        owner = controller_of(obj)
        if owner is not None:
            self.write(0, f"Controlled By:\t{owner['kind']}/{owner['name']}")

    def events(self, events: Sequence[Obj] | None) -> None:
        """What has been reported of the object."""
        if events is None:
            return
        if not events:
            self.write(0, f"Events:\t{NONE}")
            return
        self.write(0, "Events:\n  Type\tReason\tAge\tFrom\tMessage")
        self.write(1, "----\t------\t----\t----\t-------")
        for event in events:
            source = event.get("source") or {}
            component = source.get("component") or event.get("reportingComponent") or ""
            self.write(
                1, f"{event.get('type', '')}\t{event.get('reason', '')}\t"
                f"{interval(event, self.now_ns)}\t{component}\t{event.get('message', '').strip()}",
            )  # fmt: skip

    def ago(self, timestamp: str | None) -> str:
        """How long ago."""
        return since(timestamp, self.now_ns)


def _short(text: str) -> str:
    most = LONGEST - 2
    return text if len(text) <= most else text[:most] + "..."


def when(timestamp: str | None) -> str:
    """A time as `describe` shows it (RFC 1123 with the offset)."""
    if not timestamp:
        return "Mon, 01 Jan 0001 00:00:00 +0000"
    return to_datetime(parse_timestamp(timestamp)).strftime("%a, %d %b %Y %H:%M:%S +0000")


def selector_text(selector: Any) -> str:
    """A LabelSelector, or `<none>`."""
    return str(selectors.compile_selector(selector)) or NONE if selector else NONE


def labels_text(labels: Any) -> str:
    """Labels in one line, or `<none>`."""
    return str(selectors.equal(labels)) or NONE


def boolean(value: Any, unset: str = "<unset>") -> str:
    """`True`, `False`, or that it is not set."""
    return unset if value is None else "True" if value else "False"


def words(values: Any) -> str:
    """A list as Go prints it: `[a b]`."""
    return f"[{' '.join(str(value) for value in values or ())}]"
