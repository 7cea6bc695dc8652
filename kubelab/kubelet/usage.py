"""What containers use of cpu and memory: as their pod's annotations say, else their environment.

The annotations `kubelab.io/usage-cpu` and `kubelab.io/usage-memory` hold for the whole pod, in
equal parts for its containers, and count from the moment they are set. Without them a container
uses what its environment says in CPU and MEMORY.

In Kubernetes: pkg/kubelet/stats, which asks cAdvisor; the answer goes to metrics-server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api import quantity
from kubelab.api.objects import EMPTY, Obj, get
from kubelab.kubelet import actions
from kubelab.runtime.container import Container

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker

CPU_ANNOTATION, MEMORY_ANNOTATION = "kubelab.io/usage-cpu", "kubelab.io/usage-memory"
DEFAULT_CPU, DEFAULT_MEMORY = "1m", "10Mi"
NANO = 1_000_000_000


def memory(pod: Obj, container: Container) -> int:
    """The bytes that a container uses."""
    said = _said(pod, MEMORY_ANNOTATION)
    if said:
        return quantity.value(said) // max(1, len(actions.containers(pod)))
    env = dict(container.config.env)
    return quantity.value(env.get("MEMORY") or DEFAULT_MEMORY)


def cpu(pod: Obj, container: Container) -> int:
    """The billionths of a cpu that a container uses."""
    said = _said(pod, CPU_ANNOTATION)
    if said:
        return int(quantity.parse(said) * NANO) // max(1, len(actions.containers(pod)))
    env = dict(container.config.env)
    return int(quantity.parse(env.get("CPU") or DEFAULT_CPU) * NANO)


def _said(pod: Obj, annotation: str) -> str:
    return str(get(pod, "metadata", "annotations", default=EMPTY).get(annotation, ""))


# Of a pod: namespace, name, and of each container its name, cpu, bytes and start.
Row = tuple[str, str, tuple[tuple[str, int, int, int], ...]]


def row(worker: PodWorker, running: list[Container]) -> Row:
    """What the running containers of a pod use."""
    namespace, _, name = worker.key.partition("/")
    return namespace, name, tuple(
        (held.config.name, cpu(worker.pod, held), memory(worker.pod, held),
         held.status.started_ns)
        for held in running
    )  # fmt: skip
