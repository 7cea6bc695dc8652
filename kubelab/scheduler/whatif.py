"""What if: how a pod would be decided on, had something been different.

The pod is taken off its node in thought, and one cycle runs over the nodes as they are now; if none
takes it, it is seen who would have to make room. Nothing is sent and nothing is kept. The scheduler
that is asked is one of a copy of the world, so that its weights or its whole configuration may be
changed before.

In Kubernetes: nothing like it; the nearest are the dry runs of preemption and of the autoscaler.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kubelab.api.objects import Obj
from kubelab.scheduler import config
from kubelab.scheduler.asking import PluginError
from kubelab.scheduler.cycle import NO_NODES, choose, decision_of, evaluate
from kubelab.scheduler.decision import Decision
from kubelab.scheduler.framework import Cycle
from kubelab.scheduler.postfilter import make_room
from kubelab.scheduler.profile import REGISTRY
from kubelab.scheduler.scheduler import Scheduler


class WhatIf(NamedTuple):
    """Two decisions on one pod: as things are, and as they would be."""

    before: Decision
    after: Decision

    def to_dict(self) -> dict[str, Any]:
        """Both as plain data, and what each plugin's points have gained or lost on each node."""
        before, after = self.before.to_dict(), self.after.to_dict()
        gains = {
            node: {
                plugin: row["weighted"] - before["scores"][node].get(plugin, {}).get("weighted", 0)
                for plugin, row in columns.items()
            }
            for node, columns in after["scores"].items()
            if node in before["scores"]
        }
        return {"before": before, "after": after, "gains": gains}


def reconfigure(
    scheduler: Scheduler, configuration: Obj | None, weights: Mapping[str, int] | None
) -> None:
    """Gives a scheduler other settings. Raises ValueError for ones that cannot be meant."""
    if configuration is not None:
        own = {n: k for n, k in scheduler.settings.registry.items() if n not in REGISTRY}
        scheduler.settings = config.load(configuration, own)
    if weights:
        scheduler.settings.weigh(weights)
    if configuration is None and not weights:
        return
    scheduler.profiles = scheduler.queue.profiles = scheduler.settings.profiles()
    scheduler.handle.memo.columns.clear()


def preview(scheduler: Scheduler, key: str) -> Decision:
    """How the scheduler would decide on a pod now. Raises LookupError if it does not know it."""
    if not getattr(scheduler, "running", False):
        raise LookupError(f"the scheduler has only just begun; it does not know a pod {key}")
    queued = scheduler.queue.pods.get(key)
    pod = queued.pod if queued is not None else scheduler.cache.remove_pod(key)
    if pod is None:
        raise LookupError(f"the scheduler does not know a pod {key}")
    pod = pod._replace(node="")
    profile = scheduler.profiles[pod.scheduler_name]
    cycle = Cycle(pod, profile, scheduler.handle, scheduler.now, scheduler.chance.below)
    if not cycle.nodes:
        return decision_of(pod, scheduler.now, message=NO_NODES)
    nominated = scheduler.nominator.node_of.get(key, "")
    share = scheduler.settings.share(profile)
    try:
        outcome = evaluate(cycle, scheduler.next_start, share, nominated)
        if not outcome.feasible:
            nomination, words = make_room(cycle, outcome)
            return decision_of(
                pod, scheduler.now, outcome, cycle,
                message=outcome.message(words),
                nominated_node=nomination.node or None,
                victims=tuple(victim.key for victim in nomination.victims),
            )  # fmt: skip
    except PluginError as error:
        return decision_of(pod, scheduler.now, message=str(error), total=len(cycle.nodes))
    chosen = choose(outcome, scheduler.chance.choice)
    return decision_of(pod, scheduler.now, outcome, cycle, node=chosen.name)
