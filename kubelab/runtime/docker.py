"""Docker behind a shim: dockershim inside the kubelet (until 1.24), cri-dockerd beside it (since).

Docker knows no pods. A sandbox is a container of the pause image, whose network namespace the
others join; the CNI is asked for an address only when that container runs already, and a checkpoint
file on the disk remembers the sandbox. Names tell what a container is:
`k8s_<container>_<pod>_<namespace>_<uid>_<attempt>`.

In Kubernetes: pkg/kubelet/dockershim (removed in 1.24) and github.com/Mirantis/cri-dockerd.
"""

from __future__ import annotations

from kubelab.runtime.service import Runtime


class CriDockerd(Runtime):
    """The kubelet calls cri-dockerd, that calls dockerd, that containerd, that runc."""

    flavour = "docker"
    prefix = "docker://"
    version = "docker://29.1.0"
    chain = ("cri-dockerd", "dockerd", "containerd", "runc")
    docker_names = True
    steps = {
        "run_pod_sandbox": (
            "pull pause", "docker create pause", "write checkpoint", "docker start pause",
            "CNI ADD",
        ),
        "create_container": ("docker create --net=container:pause",),
        "start_container": ("docker start",),
        "stop_container": ("docker stop",),
        "stop_pod_sandbox": ("CNI DEL", "docker stop pause (10 s)"),
    }  # fmt: skip


class Dockershim(CriDockerd):
    """The same calls, made by the kubelet itself: there is no process between it and dockerd."""

    flavour = "dockershim"
    version = "docker://20.10.7"
    chain = ("dockershim", "dockerd", "containerd", "runc")
