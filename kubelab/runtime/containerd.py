"""containerd, the default runtime.

RunPodSandbox reserves the name, makes the network namespace, asks the CNI for an address, and then
starts the pause process in it: the address exists before anything runs. All containers of a pod
join that namespace, so that a restarted container keeps the pod's address.

In Kubernetes: github.com/containerd/containerd/v2/internal/cri. Left out: runtime classes,
snapshots.
"""

from __future__ import annotations

from kubelab.runtime.service import Runtime


class Containerd(Runtime):
    """containerd 2 with its CRI plugin."""

    flavour = "containerd"
    prefix = "containerd://"
    version = "containerd://2.1.4"
    steps = {
        "run_pod_sandbox": (
            "reserve name", "new network namespace", "CNI ADD", "create pause", "start pause",
        ),
        "create_container": ("reserve name", "snapshot", "create container"),
        "start_container": ("create task", "start task"),
        "stop_container": ("kill task",),
        "stop_pod_sandbox": ("stop pause", "CNI DEL", "delete network namespace"),
    }  # fmt: skip
