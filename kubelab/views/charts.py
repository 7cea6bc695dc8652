"""Charts over virtual time: pods by state, what is asked for on the nodes, lengths of queues.

The numbers are read from the cluster's own past: the objects as they were at some hundred moments,
and what components noted in their events. Lines are in the colours of the views, each with its own
dashes and its name at its end, so that nothing depends on colour alone. matplotlib is loaded only
here, when a chart is drawn; without it the numbers are still to be had (`series`).

In Kubernetes: what a Prometheus and its dashboards show of kube-state-metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from kubelab.api.objects import get
from kubelab.sim.kernel import SECOND
from kubelab.views.cluster import pod_state
from kubelab.views.palette import LIGHT
from kubelab.views.room import rooms

MOMENTS = 120
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
STATES = ("waiting", "working", "ready", "failed", "leaving", "unknown", "stopped")
COLOURS = {
    "waiting": "muted", "working": "kubelet", "ready": "controllers", "failed": "alarm",
    "leaving": "proxy", "unknown": "line", "stopped": "ink", "cpu": "api", "memory": "proxy",
    "pods without a node": "scheduler", "turns of controllers": "controllers",
}  # fmt: skip


class Series(NamedTuple):
    """Lines over time; `seconds` since the cluster's start."""

    title: str
    unit: str
    seconds: list[float]
    lines: dict[str, list[float]]


def pods(cluster: Any, event: int) -> dict[str, float]:
    """How many pods are in each state at a moment."""
    out = dict.fromkeys(STATES, 0.0)
    for pod in cluster.at(event=event).list("Pod"):
        out[pod_state(pod)[0]] += 1
    return out


def usage(cluster: Any, event: int) -> dict[str, float]:
    """The share of all nodes' cpu and memory that is asked for at a moment, in percent."""
    moment = cluster.at(event=event)
    place = rooms(moment.list("Node"), moment.list("Pod"))
    out = {}
    for resource in ("cpu", "memory"):
        found = [room[resource] for room in place.values() if resource in room]
        total = sum(room.total for room in found)
        out[resource] = 100 * sum(room.asked for room in found) / total if total else 0.0
    return out


def queue(cluster: Any, event: int) -> dict[str, float]:
    """How much waits at a moment: pods for a node, objects for a controller's turn."""
    waiting = sum(
        not get(pod, "spec", "nodeName") for pod in cluster.at(event=event).list("Pod")
    )  # fmt: skip
    start = max(event - 200, 0)
    turns = sum(cluster.trace[at].verb == "sync" for at in range(start, event))
    return {"pods without a node": float(waiting), "turns of controllers": float(turns)}


Count = Callable[[Any, int], dict[str, float]]
WHAT: dict[str, tuple[str, str, Count]] = {
    "pods": ("pods by state", "pods", pods),
    "usage": ("asked for on all nodes", "percent", usage),
    "queue": ("what waits (turns: in the last 200 events)", "count", queue),
}


def series(cluster: Any, what: str = "pods", *, moments: int = MOMENTS) -> Series:
    """The numbers of a chart. Raises ValueError for one that there is not."""
    if what not in WHAT:
        raise ValueError(f"chart {what!r}: there are {', '.join(WHAT)}")
    title, unit, count = WHAT[what]
    trace = cluster.trace
    size = len(trace)
    if not size:
        return Series(title, unit, [], {})
    start, span = trace[0].ns, max(cluster.world.now - trace[0].ns, 1)
    seconds: list[float] = []
    lines: dict[str, list[float]] = {}
    at = 0
    for number in range(moments + 1):
        ns = start + span * number // moments
        while at < size and trace[at].ns <= ns:
            at += 1
        seconds.append((ns - start) / SECOND)
        for name, value in count(cluster, at).items():
            lines.setdefault(name, []).append(value)
    return Series(title, unit, seconds, {n: row for n, row in lines.items() if any(row)})


def chart(cluster: Any, what: str = "pods", *, moments: int = MOMENTS) -> Any:
    """A matplotlib figure of one of `pods`, `usage`, `queue` over virtual time."""
    data = series(cluster, what, moments=moments)
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RuntimeError(
            "a chart needs matplotlib: pip install kubelab[lab]; the numbers are in views.series"
        ) from None
    figure = Figure(figsize=(9, 3.6), facecolor=LIGHT["paper"], layout="constrained")
    axes = figure.subplots()
    for number, (name, row) in enumerate(data.lines.items()):
        colour = LIGHT[COLOURS.get(name, "ink")]
        dash = DASHES[number % len(DASHES)]
        axes.step(data.seconds, row, where="post", color=colour, linestyle=dash, linewidth=2.2,
                  label=name)  # fmt: skip
    axes.set_title(data.title, loc="left", color=LIGHT["ink"])
    axes.set_xlabel("virtual seconds since the start", color=LIGHT["ink"])
    axes.set_ylabel(data.unit, color=LIGHT["ink"])
    axes.set_ylim(bottom=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color=LIGHT["line"], linewidth=0.6)
    if data.lines:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
