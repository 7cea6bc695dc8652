"""Which waiting pods are nominated to which node.

A pod for which others were evicted is nominated to their node until it is bound. Pods of lower or
equal priority see the node as if it stood there already.

In Kubernetes: pkg/scheduler/backend/queue/nominator.go.
"""

from __future__ import annotations

from kubelab.scheduler.podinfo import PodInfo


class Nominator:
    """Nominated pods by node, in the order of their nomination."""

    def __init__(self) -> None:
        self.by_node: dict[str, dict[str, PodInfo]] = {}
        self.node_of: dict[str, str] = {}

    def add(self, pod: PodInfo, node: str) -> None:
        """Nominates a pod; an earlier nomination of it ends."""
        self.remove(pod.key)
        if node:
            self.by_node.setdefault(node, {})[pod.key] = pod
            self.node_of[pod.key] = node

    def remove(self, key: str) -> None:
        """A pod is bound, gone or no longer nominated."""
        node = self.node_of.pop(key, None)
        if node is not None:
            pods = self.by_node[node]
            del pods[key]
            if not pods:
                del self.by_node[node]

    def update(self, pod: PodInfo) -> None:
        """A nominated pod has changed."""
        node = self.node_of.get(pod.key)
        if node is not None:
            self.by_node[node][pod.key] = pod

    def find(self, key: str) -> PodInfo | None:
        """A nominated pod by its key."""
        node = self.node_of.get(key)
        return self.by_node[node].get(key) if node is not None else None

    def on(self, node: str) -> list[PodInfo]:
        """The pods nominated to a node."""
        return list(self.by_node.get(node, {}).values())

    def rivals(self, pod: PodInfo, node: str) -> list[PodInfo]:
        """The others on a node that go before `pod` or beside it: of equal or higher priority."""
        if node not in self.by_node:
            return []
        return [
            other
            for other in self.by_node[node].values()
            if other.priority >= pod.priority and other.key != pod.key
        ]
