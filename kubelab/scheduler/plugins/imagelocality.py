"""ImageLocality: prefer nodes that have the pod's images already.

Each image that is on the node adds its size times the share of all nodes that have it, so that one
node with a rare image does not draw all pods; nodes that differ about the size are not asked twice,
the first to report the image is believed. The sum S is scaled between 23 MiB and 1000 MiB a
container: 100·(clamp(S) − low) // (high − low).

In Kubernetes: pkg/scheduler/framework/plugins/imagelocality.
"""

from __future__ import annotations

from collections.abc import Hashable

from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import MAX_SCORE, Cycle, Plugin

LOW_BYTES = 23 * 1024 * 1024
HIGH_BYTES = 1000 * 1024 * 1024


class ImageLocality(Plugin):
    """Images that are there already."""

    name = "ImageLocality"

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        total = len(cycle.nodes)
        having, sizes = cycle.handle.cache.image_nodes, cycle.handle.cache.image_sizes
        found = 0
        for image in cycle.pod.images:
            if image in node.images:
                found += int(sizes.get(image, 0) * (having.get(image, 0) / total))
        return self._scaled(found, containers(cycle))

    def local_score(self, cycle: Cycle) -> Hashable:
        having = cycle.handle.cache.image_nodes
        images = cycle.pod.images
        sizes = cycle.handle.cache.image_sizes
        counts = tuple((having.get(image, 0), sizes.get(image, 0)) for image in images)
        return (len(cycle.nodes), images, containers(cycle), counts)

    @staticmethod
    def _scaled(found: int, count: int) -> int:
        high = HIGH_BYTES * count
        return MAX_SCORE * (min(max(found, LOW_BYTES), high) - LOW_BYTES) // (high - LOW_BYTES)


def containers(cycle: Cycle) -> int:
    """How many containers the pod has, those of its init phase included."""
    spec = cycle.pod.obj["spec"]
    return max(1, len(spec.get("containers") or ()) + len(spec.get("initContainers") or ()))
