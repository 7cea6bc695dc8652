"""The queue of keys in front of a control loop.

A key is in the queue at most once, and is never worked twice at the same time: what is added while
its work is open is worked again afterwards. Failures are tried again after 5 ms, 10 ms, 20 ms and
so on up to 1000 s, for each key by itself; a success forgets them.

In Kubernetes: k8s.io/client-go/util/workqueue. A real controller has several workers; here each
key's turn is an event of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubelab.client.controller import Process

BASE_SECONDS = 0.005
LIMIT_SECONDS = 1000.0


class WorkQueue:
    """Keys of one controller: waiting, being worked, to be worked again."""

    def __init__(self, process: Process, controller: str) -> None:
        self.process = process
        self.controller = controller
        # Keys in the queue, each with the event that put it there.
        self.waiting: dict[str, int | None] = {}
        self.open: dict[str, int] = {}
        self.dirty: dict[str, int | None] = {}
        self.failed: dict[str, None] = {}
        self.failures: dict[str, int] = {}
        self.later: dict[str, tuple[int, int]] = {}
        self.opened = False

    def __len__(self) -> int:
        return len(self.waiting)

    def add(self, key: str) -> None:
        """Puts a key in, unless it is in already."""
        cause = self.process.world.current
        if key in self.open:
            self.dirty[key] = cause
        elif key not in self.waiting:
            self.waiting[key] = cause
            if self.opened:
                self.process.after(0, "sync", self.controller, key)

    def add_after(self, key: str, seconds: float, *, background: bool | None = None) -> None:
        """Puts a key in after so long; of several such times the earliest counts."""
        due = self.process.now + round(seconds * 1e9)
        known = self.later.get(key)
        if known is not None:
            if known[0] <= due:
                return
            self.process.cancel(known[1])
        timer = self.process.after(seconds, "requeue", self.controller, key, background=background)
        self.later[key] = (due, timer)

    def due(self, key: str) -> None:
        """The time of `add_after` has come."""
        self.later.pop(key, None)
        self.add(key)

    def add_rate_limited(self, key: str) -> None:
        """Puts a key in after the back-off of its failures so far."""
        count = self.failures.get(key, 0)
        self.failures[key] = count + 1
        self.add_after(key, min(BASE_SECONDS * 2**count, LIMIT_SECONDS))

    def forget(self, key: str) -> None:
        """The key's failures no longer count."""
        self.failures.pop(key, None)

    def open_up(self) -> None:
        """The controller's caches may be filled: if so, work begins."""
        if not self.opened and self.process.controllers[self.controller].ready():
            self.opened = True
            for key, cause in list(self.waiting.items()):
                before = self.process.because(cause)
                self.process.after(0, "sync", self.controller, key)
                self.process.because(before)

    def hold(self, key: str) -> None:
        """One more reason to keep the key open."""
        self.waiting.pop(key, None)
        self.open[key] = self.open.get(key, 0) + 1

    def release(self, key: str, *, failed: bool = False) -> None:
        """One reason less; with the last one gone, the key closes."""
        if failed:
            self.failed[key] = None
        self.open[key] -= 1
        if self.open[key]:
            return
        del self.open[key]
        again, cause = key in self.dirty, self.dirty.pop(key, None)
        if self.failed.pop(key, self) is None:
            self.add_rate_limited(key)
        elif again:
            before = self.process.because(cause)
            self.add(key)
            self.process.because(before)
        else:
            self.forget(key)
