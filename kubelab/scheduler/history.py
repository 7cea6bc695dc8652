"""The last decisions of every pod, bounded in memory.

Each pod keeps its last few. When all of them together grow too large, the oldest are cut down to
their best and first refused nodes; when there are too many, the oldest are dropped.

In Kubernetes: nothing like it; a decision is gone when its cycle ends.
"""

from __future__ import annotations

from kubelab.scheduler.decision import Decision

KEPT_PER_POD = 4
# Numbers and names in all full records together, and records in all.
KEPT_SIZE = 1_000_000
KEPT_RECORDS = 50_000


class Decisions:
    """Decisions by pod, oldest first."""

    def __init__(self) -> None:
        self.by_pod: dict[str, tuple[Decision, ...]] = {}
        # The full records, oldest first, by number: pod, time of the decision, size. A dict, since
        # that is quick to copy with the world.
        self.full: dict[int, tuple[str, int, int]] = {}
        self.added = 0
        self.size = 0

    def add(self, decision: Decision) -> None:
        """Keeps a decision."""
        key = decision.pod
        known = self.by_pod.pop(key, ())
        self.by_pod[key] = (*known[1 - KEPT_PER_POD :], decision)
        self.added += 1
        self.full[self.added] = (key, decision.ns, decision.size)
        self.size += decision.size
        while self.size > KEPT_SIZE and len(self.full) > 1:
            self._cut(*self._oldest())
        while len(self.by_pod) > KEPT_RECORDS:
            del self.by_pod[next(iter(self.by_pod))]
        while len(self.full) > KEPT_RECORDS:
            self.size -= self._oldest()[2]

    def take_back(self, key: str, message: str) -> None:
        """The last decision on a pod did not come to its end: it has no node after all."""
        known = self.by_pod.get(key)
        if known:
            self.by_pod[key] = (*known[:-1], known[-1]._replace(node=None, message=message))

    def _oldest(self) -> tuple[str, int, int]:
        return self.full.pop(next(iter(self.full)))

    def _cut(self, key: str, ns: int, size: int) -> None:
        self.size -= size
        known = self.by_pod.get(key)
        if known is not None:
            self.by_pod[key] = tuple(one.trimmed() if one.ns == ns else one for one in known)
