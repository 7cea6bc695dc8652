"""The last decisions of every pod, bounded in memory.

Each pod keeps its last few. When all of them together grow too large, the oldest are cut down to
their best and first refused nodes; when there are too many, the oldest are dropped.

In Kubernetes: nothing like it; a decision is gone when its cycle ends.
"""

from __future__ import annotations

from collections import deque

from kubelab.scheduler.decision import Decision

KEPT_PER_POD = 4
# Numbers and names in all full records together, and records in all.
KEPT_SIZE = 1_000_000
KEPT_RECORDS = 50_000


class Decisions:
    """Decisions by pod, oldest first."""

    def __init__(self) -> None:
        self.by_pod: dict[str, tuple[Decision, ...]] = {}
        # Pods in the order of their decisions, each entry with the decision's time and size.
        self.full: deque[tuple[str, int, int]] = deque()
        self.size = 0

    def add(self, decision: Decision) -> None:
        """Keeps a decision."""
        key = decision.pod
        known = self.by_pod.pop(key, ())
        self.by_pod[key] = (*known[1 - KEPT_PER_POD :], decision)
        self.full.append((key, decision.ns, decision.size))
        self.size += decision.size
        while self.size > KEPT_SIZE and len(self.full) > 1:
            self._cut(*self.full.popleft())
        while len(self.by_pod) > KEPT_RECORDS:
            del self.by_pod[next(iter(self.by_pod))]
        while len(self.full) > KEPT_RECORDS:
            self.size -= self.full.popleft()[2]

    def _cut(self, key: str, ns: int, size: int) -> None:
        self.size -= size
        known = self.by_pod.get(key)
        if known is not None:
            self.by_pod[key] = tuple(one.trimmed() if one.ns == ns else one for one in known)
