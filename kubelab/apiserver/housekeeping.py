"""What the API server does beside requests: default roles, leases for Events, compaction of etcd.

An Event is stored under a lease, so that it vanishes an hour after it was written; many share one.
Every five minutes the history that is older than five minutes is given up; of several API servers
one wins that right by a transaction.

In Kubernetes: k8s.io/apiserver/pkg/storage/etcd3 (lease_manager.go, compact.go).
"""

from __future__ import annotations

from typing import Any

from kubelab.apiserver import bootstrap, identity, stored
from kubelab.apiserver.pending import Pending
from kubelab.etcd import records
from kubelab.sim.kernel import SECOND, Component, Routine

COMPACTION_SECONDS = 300


class Housekeeping(Component):
    """The part of an `APIServer` that keeps the store tidy."""

    def settle_in(self) -> None:
        """Begins, with empty memory."""
        self.event_lease = (0, 0, 0)
        self.unleased: list[int] = []
        self.compaction = (0, 0)
        self.after(COMPACTION_SECONDS, "compact", background=True)
        # A Lease of our own tells that this server lives.
        self.identity = self.world.stream(f"{self.name}/identity").uid()
        self.send(self.name, "request", self.name, 0, identity.creation(*self.who()))
        self.after(identity.RENEW_SECONDS, "renew_identity", background=True)

    def who(self) -> tuple[str, str, int]:
        """Our name, what tells this start of us from the one before, and the time."""
        return self.name, self.identity, self.now

    def routine(self, verb: str, args: tuple[Any, ...]) -> Routine | None:
        seconds = identity.RENEW_SECONDS * SECOND
        return Routine(seconds, free=True) if verb == "renew_identity" else None

    def renew_identity(self) -> None:
        """Every 10 s: we still live."""
        self.after(identity.RENEW_SECONDS, "renew_identity", background=True)
        self.send(self.name, "request", self.name, 0, identity.renewal(*self.who()))

    def etcd(self, method: str, request: Any, then: str, token: Any = 0) -> int:
        """Calls etcd; see `APIServer`."""
        raise NotImplementedError

    def retry(self, token: int) -> None:
        """Works a request that waited; see `APIServer`."""
        raise NotImplementedError

    def seed_roles(self) -> None:
        """Offers the default roles to etcd, which takes them if it has none."""
        chance = self.world.stream(f"{self.name}/roles")
        for request in bootstrap.roles(chance, self.timestamp):
            self.etcd("txn", request, "seeded")

    def seeded(self, result: Any, token: int) -> None:
        """The default roles are there, now or since long ago."""
        if isinstance(result, records.Failure):
            self.after(1, "seed_roles", background=True)

    def lease_of(self, pending: Pending) -> int:
        """The lease under which Events are stored: they vanish an hour after they were written."""
        lease, until, count = self.event_lease
        if lease and self.now < until and count < 1000:
            self.event_lease = (lease, until, count + 1)
            return lease
        self.unleased.append(pending.token)
        if len(self.unleased) == 1:
            request = records.LeaseGrantRequest(TTL=3660, ID=0)
            self.etcd("lease_grant", request, "leased")
        return 0

    def leased(self, result: Any, token: int) -> None:
        """A new lease for Events."""
        if not isinstance(result, records.Failure):
            self.event_lease = (result.ID, self.now + 60 * SECOND, 0)
        waiting, self.unleased = self.unleased, []
        for waiter in waiting:
            self.retry(waiter)

    def compact(self) -> None:
        """Every five minutes the history before the last five minutes is given up."""
        self.after(COMPACTION_SECONDS, "compact", background=True)
        request = stored.compaction(*self.compaction)
        self.etcd("txn", request, "compacting", 0)

    def compacting(self, result: Any, token: int) -> None:
        """Of several API servers one wins the right to compact."""
        if isinstance(result, records.Failure):
            return
        version, revision = self.compaction
        if result.succeeded:
            self.compaction = (version + 1, result.header.revision)
            if revision:
                request = records.CompactionRequest(revision=revision)
                self.etcd("compact", request, "compacted", 0)
        else:
            self.compaction = stored.compaction_seen(result)

    def compacted(self, result: Any, token: int) -> None:
        """The history is gone."""
