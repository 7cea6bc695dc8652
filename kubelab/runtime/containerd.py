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


FLAVOURS: dict[str, type[Runtime]] = {"containerd": Containerd}
