"""The TTL controller: how long kubelets may use what they read of ConfigMaps and Secrets.

The more nodes there are, the longer: an annotation of each node says so in seconds. Up to a
hundred nodes it is 0. The steps up and down lie apart, so that a cluster at a limit does not waver.

In Kubernetes: pkg/controller/ttl.
"""

from __future__ import annotations

from kubelab.api.objects import Obj, annotations_of, key_of
from kubelab.client.controller import Controller

ANNOTATION = "node.alpha.kubernetes.io/ttl"
# From so many nodes, up to so many, so many seconds.
STEPS = ((0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, 1 << 31, 300))


class TTLController(Controller):
    """Keeps the annotation of every node."""

    name = "ttl"

    def begin(self) -> None:
        self.step = 0
        self.nodes = self.watch("v1/Node", "on_node")

    def on_node(self, old: Obj | None, new: Obj | None) -> None:
        """A node has come, changed or gone: the step may be another one."""
        count, before = len(self.nodes), self.step
        while self.step < len(STEPS) - 1 and count > STEPS[self.step][1]:
            self.step += 1
        while self.step and count < STEPS[self.step][0]:
            self.step -= 1
        for node in self.nodes if self.step != before else ():
            self.enqueue(key_of(node))
        if new is not None and annotations_of(new).get(ANNOTATION) != str(STEPS[self.step][2]):
            self.enqueue(key_of(new))

    def sync(self, key: str) -> None:
        """One node."""
        node, wish = self.nodes.get(key), str(STEPS[self.step][2])
        if node is None or annotations_of(node).get(ANNOTATION) == wish:
            return
        self.note(wish=wish, seen=annotations_of(node).get(ANNOTATION, ""), act=f"set {wish} s")
        self.patch("v1/Node", "", key, {"metadata": {"annotations": {ANNOTATION: wish}}})
