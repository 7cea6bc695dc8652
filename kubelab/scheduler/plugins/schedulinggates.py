"""SchedulingGates: a pod with gates is not even tried until the last one is taken away.

In Kubernetes: pkg/scheduler/framework/plugins/schedulinggates.
"""

from __future__ import annotations

from kubelab.scheduler.framework import Handle, Plugin, Status, unresolvable
from kubelab.scheduler.podinfo import PodInfo


class SchedulingGates(Plugin):
    """Gates of the pod's owner."""

    name = "SchedulingGates"

    def pre_enqueue(self, handle: Handle, pod: PodInfo) -> Status | None:
        if not pod.gates:
            return None
        return unresolvable(f"waiting for scheduling gates: [{' '.join(pod.gates)}]")
