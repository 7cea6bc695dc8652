"""Image garbage collection: before the disk is full, images that nobody uses are deleted.

Every 5 minutes the kubelet looks how much of the disk is taken. Above 85 % it deletes images until
80 % is left: those that have been unused longest first, and none that was in use less than 2
minutes ago.

In Kubernetes: pkg/kubelet/images/image_gc_manager.go. Left out: the largest age of an unused image,
which is not limited by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api import quantity
from kubelab.api.objects import EMPTY, get
from kubelab.kubelet import nodestatus
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.kubelet.kubelet import Kubelet

PERIOD_NS = 300 * SECOND
HIGH_PERCENT = 85
LOW_PERCENT = 80
YOUNGEST_NS = 120 * SECOND


class ImageGC:
    """The image garbage collector of one kubelet."""

    def __init__(self, kubelet: Kubelet) -> None:
        self.kubelet = kubelet
        self.looked_ns = kubelet.now
        # When each image was first seen, and when it was last seen in use.
        self.seen: dict[str, int] = {}
        self.used: dict[str, int] = {}

    def look(self) -> None:
        """One round, if it is time."""
        kubelet = self.kubelet
        if kubelet.now - self.looked_ns < PERIOD_NS:
            return
        self.looked_ns = kubelet.now
        held = kubelet.runtime.images.images
        running = {box.status.image: None for box in kubelet.runtime.containers.values()}
        for name in held:
            self.seen.setdefault(name, kubelet.now)
            if name in running:
                self.used[name] = kubelet.now
        for name in [name for name in self.seen if name not in held]:
            del self.seen[name]
            self.used.pop(name, None)
        total = sum(image.size_bytes for image in held.values())
        capacity = self._capacity()
        if not capacity or total * 100 < capacity * HIGH_PERCENT:
            return
        self._free(total - capacity * LOW_PERCENT // 100, running)

    def _capacity(self) -> int:
        status = get(self.kubelet.manifest, "status", default=EMPTY)
        given = get(status, "capacity", default=None) or nodestatus.CAPACITY
        return quantity.value(given.get("ephemeral-storage", "100Gi"))

    def _free(self, wanted: int, running: dict[str, None]) -> None:
        """Deletes images until so many bytes are free."""
        kubelet, freed = self.kubelet, 0
        held = kubelet.runtime.images.images
        rows = [(self.used.get(name, 0), self.seen[name], name) for name in held]
        doomed = []
        for used, seen, name in sorted(rows):
            if freed >= wanted:
                break
            if name in running or kubelet.now - max(used, seen) < YOUNGEST_NS:
                continue
            freed += held[name].size_bytes
            doomed.append(name)
        for name in doomed:
            kubelet.call_runtime("", 0, "image_removed", "remove_image", (name,), ())
        kubelet.note(image_gc={"wanted_bytes": wanted, "freed_bytes": freed, "deleted": doomed})
        if freed < wanted:
            text = (
                "Failed to garbage collect required amount of images. Attempted to free "
                f"{wanted} bytes, but only found {freed} bytes eligible to free."
            )
            kubelet.node.recorder.event(
                kubelet.node.reference, "Warning", "FreeDiskSpaceFailed", text
            )
