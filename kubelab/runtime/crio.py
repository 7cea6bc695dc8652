"""CRI-O: a runtime for Kubernetes and nothing else.

The namespaces of a pod are pinned by a small helper (pinns), so that no process has to hold them:
an infra container is started only for a pod whose containers share their process ids. Each
container has a conmon beside it, which keeps its output and its exit code.

In Kubernetes: github.com/cri-o/cri-o, server/sandbox_run_linux.go with drop_infra_ctr=true.
"""

from __future__ import annotations

from kubelab.runtime.cri import SandboxConfig
from kubelab.runtime.service import Runtime


class CriO(Runtime):
    """CRI-O of the same minor version as Kubernetes."""

    flavour = "cri-o"
    prefix = "cri-o://"
    version = "cri-o://1.36.0"
    steps = {
        "run_pod_sandbox": ("reserve name", "pinns: pin namespaces", "CNI ADD"),
        "create_container": ("reserve name", "create storage", "conmon", "crun create"),
        "start_container": ("crun start",),
        "stop_container": ("crun kill",),
        "stop_pod_sandbox": ("CNI DEL", "unpin namespaces"),
    }

    def sandbox_steps(self, config: SandboxConfig) -> tuple[str, ...]:
        if config.share_process_ids:
            return (*self.steps["run_pod_sandbox"], "start infra container")
        return self.steps["run_pod_sandbox"]
