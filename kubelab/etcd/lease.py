"""Leases: promises to delete keys unless somebody keeps them alive.

What was granted and which keys hang on it is agreed on and survives a restart; when a lease runs
out is the leader's own memory. So a new leader, or a member that starts again, gives every lease
its full time once more (`promote`). A lease that ran out is still there until its revocation has
been applied like any other write.

In Kubernetes: go.etcd.io/etcd/server/v3/lease/lessor.go. Checkpoints of the time left (off by
default there) are left out.
"""

from __future__ import annotations

from kubelab.etcd.errors import LEASE_EXISTS, LEASE_NOT_FOUND, TTL_TOO_LARGE, fail

# No lease is shorter: one and a half election time-outs, rounded up.
MIN_TTL_SECONDS = 2
MAX_TTL_SECONDS = 9_000_000_000
SECOND_NS = 1_000_000_000


class Lessor:
    """All leases. `ttl` and `attached` are agreed on; `expires_ns` is memory."""

    def __init__(self) -> None:
        self.ttl: dict[int, int] = {}
        self.attached: dict[int, dict[bytes, None]] = {}
        self.expires_ns: dict[int, int] = {}

    def grant(self, lease: int, ttl: int, now_ns: int) -> int:
        """A new lease; returns its time to live in seconds, which may be more than asked for."""
        if not lease:
            fail(LEASE_NOT_FOUND)
        if ttl > MAX_TTL_SECONDS:
            fail(TTL_TOO_LARGE)
        if lease in self.ttl:
            fail(LEASE_EXISTS)
        ttl = max(ttl, MIN_TTL_SECONDS)
        self.ttl[lease] = ttl
        self.attached[lease] = {}
        self.expires_ns[lease] = now_ns + ttl * SECOND_NS
        return ttl

    def check(self, lease: int) -> None:
        """Fails if there is no such lease."""
        if lease not in self.ttl:
            fail(LEASE_NOT_FOUND)

    def keys(self, lease: int) -> list[bytes]:
        """The keys that hang on a lease, in order."""
        return sorted(self.attached.get(lease, ()))

    def drop(self, lease: int) -> None:
        """The lease is over; its keys are deleted by whoever calls."""
        del self.ttl[lease], self.attached[lease]
        self.expires_ns.pop(lease, None)

    def attach(self, lease: int, key: bytes) -> None:
        """A key hangs on a lease from now on."""
        keys = self.attached.get(lease)
        if keys is not None:
            keys[key] = None

    def detach(self, lease: int, key: bytes) -> None:
        """A key hangs on a lease no longer."""
        keys = self.attached.get(lease)
        if keys is not None:
            keys.pop(key, None)

    # The leader's memory.

    def promote(self, now_ns: int, extra_ns: int) -> None:
        """We lead from now on: every lease has its full time again, and a little more."""
        self.expires_ns = {
            lease: now_ns + ttl * SECOND_NS + extra_ns for lease, ttl in self.ttl.items()
        }

    def renew(self, lease: int, now_ns: int) -> int:
        """Full time again; returns it in seconds, 0 if the lease is unknown or has run out."""
        if self.expires_ns.get(lease, 0) <= now_ns:
            return 0
        ttl = self.ttl[lease]
        self.expires_ns[lease] = now_ns + ttl * SECOND_NS
        return ttl

    def remaining_seconds(self, lease: int, now_ns: int) -> int:
        """Whole seconds left, rounded down; -1 for an unknown lease."""
        if lease not in self.ttl:
            return -1
        return max(0, self.expires_ns[lease] - now_ns) // SECOND_NS

    def expired(self, now_ns: int) -> list[int]:
        """The leases that have run out: by the time they did, then by their ID."""
        out = [(at, lease) for lease, at in self.expires_ns.items() if at <= now_ns]
        return [lease for _, lease in sorted(out)]

    def next_expiry_ns(self) -> int | None:
        """When the next lease runs out, or None."""
        return min(self.expires_ns.values(), default=None)
