"""The runtimes that a cluster can have, by the names under which people ask for them.

In Kubernetes: the kubelet is given a socket (--container-runtime-endpoint) and asks who is there.
"""

from __future__ import annotations

from kubelab.runtime.containerd import Containerd
from kubelab.runtime.crio import CriO
from kubelab.runtime.docker import CriDockerd, Dockershim
from kubelab.runtime.rkt import RktBeforeCri, Rktlet
from kubelab.runtime.service import Runtime

FLAVOURS: dict[str, type[Runtime]] = {
    "containerd": Containerd,
    "cri-o": CriO,
    "crio": CriO,
    "docker": CriDockerd,
    "cri-dockerd": CriDockerd,
    "dockershim": Dockershim,
    "rkt": Rktlet,
    "rktlet": Rktlet,
    "rkt-before-cri": RktBeforeCri,
}
