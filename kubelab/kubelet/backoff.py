"""Back-off: a wait that doubles with each failure, kept by key.

An entry holds the wait and the time of its last change. It is forgotten by itself when the next
failure comes more than twice the longest wait after that.

In Kubernetes: k8s.io/client-go/util/flowcontrol/backoff.go. Left out: jitter.
"""

from __future__ import annotations

from kubelab.sim.kernel import SECOND

INITIAL_SECONDS = 10
LIMIT_SECONDS = 300


class Backoff:
    """Waits by key, in whole seconds."""

    def __init__(self, initial: int = INITIAL_SECONDS, limit: int = LIMIT_SECONDS) -> None:
        self.initial = initial
        self.limit = limit
        self.entries: dict[str, tuple[int, int]] = {}

    def _live(self, key: str, event_ns: int) -> tuple[int, int] | None:
        """The entry, unless the event comes so late that it no longer counts."""
        entry = self.entries.get(key)
        if entry is None or event_ns - entry[1] > 2 * self.limit * SECOND:
            return None
        return entry

    def wait_seconds(self, key: str) -> int:
        """The wait of a key as it stands; 0 without an entry."""
        return self.entries.get(key, (0, 0))[0]

    def remaining_ns(self, key: str, since_ns: int, now_ns: int) -> int:
        """What is left of the wait that began at `since_ns`; 0 if it is over or there is none."""
        entry = self._live(key, since_ns)
        return max(0, since_ns + entry[0] * SECOND - now_ns) if entry else 0

    def since_update_ns(self, key: str, now_ns: int) -> int:
        """What is left of the wait that began when the entry was last changed."""
        entry = self._live(key, now_ns)
        return max(0, entry[1] + entry[0] * SECOND - now_ns) if entry else 0

    def bump(self, key: str, event_ns: int, now_ns: int) -> None:
        """One more failure: the first wait, or twice the last one."""
        entry = self._live(key, event_ns)
        seconds = min(entry[0] * 2, self.limit) if entry else self.initial
        self.entries[key] = (seconds, now_ns)

    def forget(self, prefix: str) -> None:
        """Drops all keys that begin so."""
        for key in [key for key in self.entries if key.startswith(prefix)]:
            del self.entries[key]


def duration(seconds: int) -> str:
    """Seconds as Go prints a duration: `10s`, `1m20s`, `5m0s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
