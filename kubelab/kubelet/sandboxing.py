"""A pod's sandbox: the network namespace with the pod's address, made before any container.

When the sandbox is gone (the machine was switched off), another is made with the next attempt: the
pod gets a new address, and all its containers are started again.

In Kubernetes: pkg/kubelet/kuberuntime/kuberuntime_sandbox.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api.objects import EMPTY, NOTHING, Obj, freeze, get, name_of, namespace_of
from kubelab.network.interfaces import HostPort
from kubelab.network.resolvconf import resolv_conf
from kubelab.runtime.cri import Answer, Sandbox, SandboxConfig
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker

RETRY_NS = 10 * SECOND


def host_ports(pod: Obj) -> tuple[HostPort, ...]:
    """The ports of the machine that a pod's containers want to be reached at."""
    spec = pod["spec"]
    return tuple(
        HostPort(
            port.get("protocol") or "TCP", port["hostPort"], port["containerPort"],
            port.get("hostIP") or "",
        )
        for container in (*get(spec, "initContainers", default=NOTHING), *spec["containers"])
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )  # fmt: skip


class Sandboxing:
    """Makes the sandboxes of one pod."""

    def __init__(self, worker: PodWorker) -> None:
        self.worker = worker

    def make(self, before: Sandbox | None) -> None:
        """A sandbox for a pod that has none, or whose sandbox is gone."""
        worker, attempt = self.worker, 0
        pod = worker.pod
        if before is not None:
            attempt = before.config.attempt + 1
            message = "Pod sandbox changed, it will be killed and re-created."
            worker.event("Normal", "SandboxChanged", message)
        spec = pod["spec"]
        formed = resolv_conf(pod)
        for warning in formed.warnings:
            worker.event("Warning", "DNSConfigForming", warning)
        config = SandboxConfig(
            namespace_of(pod), name_of(pod), worker.uid, attempt, worker.host_network,
            spec.get("hostname") or name_of(pod), formed.conf,
            freeze(get(pod, "metadata", "annotations", default=EMPTY)),
            bool(spec.get("shareProcessNamespace")), () if worker.host_network else host_ports(pod),
        )  # fmt: skip
        worker.kubelet.note(pod=worker.key, does="makes a sandbox", attempt=attempt)
        worker.kubelet.cri(worker, "sandboxing.made", "run_pod_sandbox", config)

    def renew(self, sandbox: Sandbox, name: str) -> None:
        """A runtime whose pods never change: to restart one container the whole pod is stopped."""
        worker = self.worker
        worker.kubelet.note(pod=worker.key, does=f"restarts the whole pod because of {name}")
        worker.kubelet.cri(worker, "sandboxing.stopped", "stop_pod_sandbox", sandbox.id)

    def stopped(self, answer: Answer) -> None:
        """The pod's old sandbox is stopped: another one is made."""
        self.make(self.worker.sandbox)

    def made(self, answer: Answer) -> None:
        """The sandbox is there, or cannot be made."""
        worker = self.worker
        if not answer.ok:
            message = f"Failed to create pod sandbox: {answer.error}"
            worker.event("Warning", "FailedCreatePodSandBox", message)
            worker.retry(RETRY_NS)
            worker.end_pass()
            return
        sandbox: Sandbox = answer.value
        worker.kubelet.note(pod=worker.key, ip=sandbox.ip)
        worker.kubelet.cri(worker, "sandboxing.looked", "pod_sandbox_status", sandbox.id)

    def looked(self, answer: Answer) -> None:
        """The sandbox's address is known: everybody hears of it before images are pulled."""
        self.worker.report()
        self.worker.advance()
