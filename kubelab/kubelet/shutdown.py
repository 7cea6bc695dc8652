"""Graceful node shutdown: the machine is about to be switched off, and its pods may say goodbye.

The operating system tells the kubelet how long it will wait. The node becomes not ready at once and
takes no more pods; ordinary pods end first, within the whole time less what is kept for critical
pods; those end last. Every pod is Failed, with a reason that says why.

In Kubernetes: pkg/kubelet/nodeshutdown/nodeshutdown_manager_linux.go with shutdownGracePeriod and
shutdownGracePeriodCriticalPods (both 0 by default, so that nobody is given time). Left out: periods
by priority.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.kubelet import eviction

if TYPE_CHECKING:
    from kubelab.kubelet.kubelet import Kubelet
    from kubelab.kubelet.podworker import PodWorker

MESSAGE = "Pod was terminated in response to imminent node shutdown."
REFUSAL = ("NodeShutdown", "Pod was rejected as the node is shutting down.")
NOT_READY = "node is shutting down"


class Shutdown:
    """Whether the machine is about to be switched off, and what that means for its pods."""

    def __init__(self, kubelet: Kubelet) -> None:
        self.kubelet = kubelet
        self.begun = False

    def begin(self, grace_seconds: int, critical_seconds: int) -> None:
        """The operating system says that it will go down in `grace_seconds`."""
        kubelet = self.kubelet
        if self.begun:
            return
        self.begun = True
        kubelet.note(shuts_down_in_seconds=grace_seconds, for_critical_seconds=critical_seconds)
        text = "Shutdown manager detected shutdown event"
        kubelet.node.recorder.event(kubelet.node.reference, "Normal", "NodeShutdown", text)
        kubelet.node.report()
        ordinary = max(0, grace_seconds - critical_seconds)
        self.end(critical=False, longest_seconds=ordinary)
        kubelet.after(ordinary, "end_critical", critical_seconds)

    def end(self, *, critical: bool, longest_seconds: int) -> None:
        """Ends the pods of one kind."""
        for worker in list(self.kubelet.workers.values()):
            if worker.ending.begun or worker.settled:
                continue
            if eviction.is_critical(worker.pod) is critical:
                self._terminate(worker, longest_seconds)

    def _terminate(self, worker: PodWorker, longest_seconds: int) -> None:
        asked = worker.pod["spec"].get("terminationGracePeriodSeconds", 30)
        worker.verdict = ("Failed", "Terminated", MESSAGE)
        worker.disrupted = MESSAGE
        worker.begin_end("the node shuts down", min(int(asked or 0), longest_seconds))
