"""rkt: no daemon; a pod is a unit of systemd, and systemd is its first process.

With rktlet, its CRI, an empty pod is started first (`rkt app sandbox`), and programs are added to
it and taken from it one by one. Before the CRI a pod was prepared as a whole and never changed:
then a container that is to be restarted takes the whole pod with it.

In Kubernetes: github.com/kubernetes-retired/rktlet (archived in 2019), and pkg/kubelet/rkt of
Kubernetes 1.9 and before.
"""

from __future__ import annotations

from kubelab.runtime.service import Runtime


class Rktlet(Runtime):
    """rkt behind rktlet."""

    flavour = "rkt"
    prefix = "rkt://"
    version = "rkt://1.30.0"
    chain: tuple[str, ...] = ("rktlet", "rkt", "systemd")
    steps = {
        "run_pod_sandbox": (
            "systemd-run rkt app sandbox", "wait for the UUID file", "stage1: CNI ADD",
        ),
        "create_container": ("rkt app add",),
        "start_container": ("rkt app start",),
        "stop_container": ("rkt app stop",),
        "remove_container": ("rkt app rm",),
        "stop_pod_sandbox": ("systemctl stop", "stage1: CNI DEL"),
    }  # fmt: skip


class RktBeforeCri(Rktlet):
    """rkt as the kubelet drove it before there was a CRI."""

    flavour = "rkt-before-cri"
    chain = ("rkt", "systemd")
    immutable_pods = True
    steps = {
        "run_pod_sandbox": ("rkt prepare",),
        "create_container": ("part of the prepared pod",),
        "start_container": ("systemctl start: rkt run-prepared", "stage1: CNI ADD"),
        "stop_container": ("systemctl stop: the whole pod",),
        "stop_pod_sandbox": ("systemctl stop", "stage1: CNI DEL", "rkt gc"),
    }
