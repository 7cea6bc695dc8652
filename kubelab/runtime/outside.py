"""What befalls a node's machine from outside; a part of `Runtime`.

A process is killed, the disk fills up, process numbers run out, root writes a file. None of it goes
through the CRI: the kubelet finds out by itself, at its next look or because the file system tells.

In Kubernetes: no counterpart; these are the machine's own doings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.runtime.container import Container
from kubelab.runtime.files import Disk, normal
from kubelab.sim.kernel import Component


class Outside(Component):
    """The doings of the machine and of its owner."""

    containers: dict[str, Container]
    disk: Disk
    pids_gone: bool

    if TYPE_CHECKING:

        def destroy(self, container: Container, reason: str = "") -> None: ...

    def kill(self, namespace: str, pod: str, container: str) -> None:
        """Somebody kills a container's first process from outside."""
        self.note(pod=f"{namespace}/{pod}", container=container)
        for held in list(self.containers.values()):
            if held.pod == f"{namespace}/{pod}" and held.config.name == container and held.running:
                self.note(id=held.id[:12])
                self.destroy(held)

    def fill_disk(self, full: bool = True) -> None:
        """The disk is full from now on, or no longer; the kubelet sees it at its next look."""
        self.disk.full = full
        self.note(disk="full" if full else "free")

    def take_pids(self, gone: bool = True) -> None:
        """No process number is left from now on, or there are enough again."""
        self.pids_gone = gone
        self.note(pids="gone" if gone else "free")

    def write_file(self, path: str, text: str | None) -> None:
        """Somebody writes a file on the node's disk, or removes it (None)."""
        path = normal(path)
        directory, _, name = path.rpartition("/")
        self.note(file=path, removed=text is None)
        volume = self.disk.volume(directory or "/")
        if text is None:
            volume.pop(name, None)
        else:
            volume[name] = text
        self.send(f"kubelet/{self.name.partition('/')[2]}", "file_changed", path)
