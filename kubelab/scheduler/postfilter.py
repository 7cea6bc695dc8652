"""PostFilter: what can still be done for a pod that no node takes.

The plugins are asked in order. The first that makes room ends the matter; one that fails, or says
that nothing can help, ends it with its own words; otherwise the words of all of them follow the
message.

In Kubernetes: framework/runtime (RunPostFilterPlugins).
"""

from __future__ import annotations

from typing import NamedTuple

from kubelab.scheduler.asking import ask
from kubelab.scheduler.cycle import Outcome
from kubelab.scheduler.framework import SUCCESS, UNSCHEDULABLE, Cycle, Status
from kubelab.scheduler.podinfo import PodInfo


class Nomination(NamedTuple):
    """What preemption came to: `node` is "" to end a nomination, None to leave it as it is."""

    node: str | None
    victims: tuple[PodInfo, ...] = ()
    status: Status | None = None


def make_room(cycle: Cycle, outcome: Outcome) -> tuple[Nomination, str]:
    """What the PostFilter plugins did, and what they say."""
    # Without a plugin that could make room a nomination has lost its reason.
    nomination = Nomination(None if cycle.profile.at("postFilter") else "")
    reasons: list[str] = []
    for plugin, _ in cycle.profile.at("postFilter"):
        result = ask(plugin, "post_filter", cycle, outcome)
        if isinstance(result, Nomination):
            nomination, result = result, result.status
            if result is None:
                return nomination, ""
        if isinstance(result, Status):
            if result.code == SUCCESS:
                return nomination, ""
            if result.code != UNSCHEDULABLE:
                # An error, or the word that nothing can help: the others are not asked.
                return nomination, result.message
            reasons += result.reasons
    return nomination, ", ".join(reasons)
