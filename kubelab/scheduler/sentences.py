"""How the scheduler's events are told: what goes into an event's detail, and one sentence from it.

A detail holds what was decided in a form that views and sentences read: of a small cluster all
nodes, of a large one the best, the first refused, and counts.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get
from kubelab.client.sentences import heard
from kubelab.scheduler.decision import NODES_KEPT, Decision
from kubelab.scheduler.miss import closest_miss
from kubelab.sim.kernel import Event

SHOWN_OF_MANY = 5

# The kinds whose changes wake a pod, in words; the others belong to volumes.
WAKING = {"Node": "a node", "AssignedPod": "a pod", "Pod": "the pod itself"}


def detail_of(decision: Decision) -> dict[str, Any]:
    """A decision as an event's detail."""
    failures = decision.failures
    shown = NODES_KEPT if decision.total <= NODES_KEPT else SHOWN_OF_MANY
    detail: dict[str, Any] = {
        "pod": decision.pod,
        "node": decision.node,
        "total": decision.total,
        "looked": len(decision.verdicts),
        "feasible": len(decision.verdicts) - len(failures),
    }
    if decision.message:
        detail["message"] = decision.message
    if failures:
        by_plugin: dict[str, int] = {}
        for _, status in failures:
            by_plugin[status.plugin] = by_plugin.get(status.plugin, 0) + 1
        detail["refused"] = by_plugin
        detail["rejected"] = {
            name: {
                "plugin": status.plugin,
                "reasons": status.reasons,
                "miss": closest_miss(status),
                **status.detail,
            }
            for name, status in failures[:shown]
        }
    if decision.totals:
        best = decision.trimmed() if decision.total > NODES_KEPT else decision
        ranking = best.ranking()[:shown]
        detail["ran"] = decision.ran
        detail["totals"] = dict(ranking)
        index = {name: place for place, name in enumerate(best.feasible)}
        detail["scores"] = {
            column.plugin: {
                name: [column.raw[index[name]], column.normalized[index[name]], column.weight]
                for name, _ in ranking
            }
            for column in best.scores
        }
    if decision.nominated_node:
        detail["nominated"] = decision.nominated_node
        detail["victims"] = decision.victims
    return detail


def sentence(event: Event) -> str:
    """One sentence on an event that the scheduler handled, or nothing."""
    detail = event.detail
    if event.verb == "schedule_one":
        return _cycle(detail)
    if event.verb == "watched" and detail.get("type") == "BOOKMARK":
        return heard("Scheduler", event)
    if event.verb == "flush":
        return (
            f"Scheduler looks at its queue because a back-off is over; "
            f"{detail['ready']} pods are ready."
        )
    if event.verb == "flush_unschedulable":
        return (
            f"Scheduler looks for pods that have waited over five minutes; "
            f"{detail['ready']} are tried again."
        )
    if event.verb == "add_plugin":
        return f"Scheduler asks {detail['plugin']} too from now on, because you added it."
    if "failed" in detail and event.verb != "schedule_one":
        return f"Scheduler gives up the place of {detail['pod']}: {_clipped(detail['failed'])}."
    if "allowed_by" in detail:
        return f"Scheduler binds {detail['pod']} because {detail['allowed_by']} lets it go on."
    if "victim" in detail:
        return _eviction(event, detail)
    if "bound" in detail:
        return (
            f"Scheduler records that {detail['bound']} is bound to {detail['node']}, "
            f"because the API server said yes."
        )
    if "woken" in detail:
        return (
            f"Scheduler puts {_some(detail['woken'], detail['count'])} back in its queue because "
            f"of {detail['event']} on {detail.get('name', 'an object')}."
        )
    if event.verb == "watched" and detail.get("kind") == "Pod":
        return (
            f"Scheduler hears of pod {detail['name']} ({detail['type'].lower()}) "
            f"because it watches all pods."
        )
    return ""


def _cycle(detail: Any) -> str:
    pod = detail.get("pod")
    if not pod:
        return "Scheduler finds its queue empty, because the pod was taken or deleted before."
    if detail.get("skipped"):
        return f"Scheduler skips {pod} because it is being deleted."
    if detail.get("failed"):
        return f"Scheduler takes {pod} back from {detail['node']}: {_clipped(detail['failed'])}."
    if detail.get("waits_for"):
        return (
            f"Scheduler keeps {detail['node']} for {pod} and waits up to {detail['seconds']:g} s, "
            f"because {detail['waits_for']} has not allowed it yet."
        )
    if detail.get("node"):
        return _picked(pod, detail)
    if detail.get("victims"):
        return (
            f"Scheduler makes room for {pod} on {detail['nominated']}: it evicts "
            f"{_some(detail['victims'], len(detail['victims']))} of lower priority."
        )
    parts = detail.get("message", "").partition(": ")[2].partition(". ")[0].rstrip(".")
    if not parts:
        return f"Scheduler cannot place {pod} because there are {detail['message']}."
    return f"Scheduler finds no node for {pod}: {parts}; it will look again when {_change(detail)}."


def _picked(pod: str, detail: Any) -> str:
    totals = list((detail.get("totals") or {}).items())
    node = detail["node"]
    if len(totals) < 2:
        return (
            f"Scheduler picks {node} for {pod} because it is the only one of "
            f"{detail['total']} nodes that fits."
        )
    scores = dict(totals)
    mine = scores[node]
    others = [(name, total) for name, total in totals if name != node]
    rival, best = max(others, key=lambda entry: entry[1])
    if best == mine:
        return (
            f"Scheduler picks {node} for {pod}: {mine} points, as many as {rival}; "
            f"the draw decides between equals."
        )
    gaps = {
        plugin: (column[node][1] - column[rival][1]) * column[node][2]
        for plugin, column in detail["scores"].items()
    }
    cause = max(gaps, key=lambda name: gaps[name])
    return (
        f"Scheduler picks {node} for {pod}: {mine} points against {best}; "
        f"most of the gap is {cause}."
    )


def _eviction(event: Event, detail: Any) -> str:
    """A victim was marked, deleted, or had gone before."""
    victim = detail["victim"]
    if detail.get("code", 200) >= 300:
        return f"Scheduler hears that {victim} cannot be made to leave: {detail.get('message')}."
    if detail.get("method") == "DELETE":
        return f"Scheduler hears that {victim} is on its way out, to make room."
    return f"Scheduler deletes {victim}, because a more important pod needs its place."


def _change(detail: Any) -> str:
    """What would have the pod looked at again."""
    kinds = [WAKING.get(kind, "a volume") for kind in detail.get("wakes") or ()]
    words = list(dict.fromkeys(kinds))
    if not words:
        return "its back-off is over"
    return f"{' or '.join([', '.join(words[:-1]), words[-1]] if words[1:] else words)} changes"


def _clipped(message: str) -> str:
    """The first words of a message, without its last full stop."""
    words = message.rstrip(".").split()
    return " ".join(words[:18]) + (" …" if len(words) > 18 else "")


def _some(names: Any, count: int) -> str:
    first = get(names, 0, default="a pod")
    return first if count == 1 else f"{first} and {count - 1} more"
