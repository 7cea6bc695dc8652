"""PrioritySort: the queue is ordered by priority, then by how long a pod has been waiting.

In Kubernetes: pkg/scheduler/framework/plugins/queuesort.
"""

from __future__ import annotations

from kubelab.scheduler.framework import Plugin
from kubelab.scheduler.podinfo import PodInfo


class PrioritySort(Plugin):
    """Higher priority first, then first come first served."""

    name = "PrioritySort"

    def sort_key(self, pod: PodInfo, since_ns: int) -> tuple[int, int]:
        """Smaller keys go first."""
        return (-pod.priority, since_ns)
