"""Calls that wait: reads for their index, writes for their entry, all of them not for ever.

A read that must be up to date is answered when the leader has confirmed that it leads, and we have
applied what was committed then (Raft §8, `read_index`). One question is under way at a time; reads
that come meanwhile share the next one. Whoever waits longer than `PATIENCE_SECONDS` hears that the
request timed out; a write may take effect all the same.

In Kubernetes: go.etcd.io/etcd/server/v3/etcdserver (`v3_server.go`, `linearizableReadLoop`) and
pkg/wait. A read that meets a change of leaders is asked again here; there its client does that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.etcd import raftlog as kinds
from kubelab.etcd.entries import Entry
from kubelab.etcd.errors import TIMED_OUT
from kubelab.etcd.explain import span
from kubelab.etcd.raft import LEADER, Raft
from kubelab.etcd.raftlog import Change
from kubelab.sim.kernel import SECOND, Component

# Five seconds and two election time-outs.
PATIENCE_SECONDS = 7.0
READ_RETRY_SECONDS = 0.5


class Read(NamedTuple):
    """A call that waits for its index."""

    method: str
    client: str
    call_id: int
    request: Any


class Waiting(Component):
    """The part of a member that keeps calls until they can be answered."""

    raft: Raft

    def __init__(self, name: str) -> None:
        super().__init__(name)
        # On the disk, so that no answer to a question of an earlier life is taken for a new one.
        self.rounds_asked = 0

    def start_waiting(self) -> None:
        """Nobody waits yet."""
        self.waiting: dict[tuple[str, int], int] = {}
        self.unproposed: list[Entry | Change] = []
        self.queued: list[Read] = []
        self.asked: list[Read] = []
        self.round: tuple[str, int] | None = None
        self.readable: list[tuple[int, Read]] = []
        self.patience_timer: int | None = None
        self.retry_timer: int | None = None

    @property
    def alone(self) -> bool:
        """Whether nobody else need agree or be told."""
        return self.raft.members == (self.name,)

    @property
    def leading(self) -> bool:
        """Whether we are the leader, as far as we know."""
        return self.raft.role == LEADER

    def ready(self) -> None:
        """Does what the state machine wants done."""

    def serve(self, read: Read) -> None:
        """Answers a read from what is here."""

    # Reads.

    def read_now(self, read: Read) -> None:
        """A read that must show all that was acknowledged before it."""
        if self.alone:
            self.serve(read)
            return
        self._wait_for(read.client, read.call_id)
        self.note(waits=True)
        if getattr(read.request, "key", b""):
            self.note(key=span(read.request.key, read.request.range_end))
        self.queued.append(read)
        if self.round is None:
            self._ask()
        self.ready()

    def _ask(self) -> None:
        """Asks from which index on the reads at hand may be answered."""
        raft = self.raft
        self.asked += self.queued
        self.queued = []
        self.rounds_asked += 1
        context = self.round = (self.name, self.rounds_asked)
        if raft.role == LEADER:
            raft.read(context, self.name)
        elif raft.leader:
            raft.post(kinds.READ, raft.leader, context=context)
        self.cancel(self.retry_timer)
        self.retry_timer = self.after(READ_RETRY_SECONDS, "retry_read", background=True)

    def retry_read(self) -> None:
        """No index came: the question or its answer was lost, or nobody leads."""
        self.retry_timer = None
        self.asked = [r for r in self.asked if (r.client, r.call_id) in self.waiting]
        self.round = None
        if self.asked or self.queued:
            self._ask()
        self.ready()

    def _may_read(self, context: Any, index: int) -> None:
        if context != self.round:
            return
        self.note(read_index=index)
        self.readable += [(index, read) for read in self.asked]
        self.asked, self.round = [], None
        self.cancel(self.retry_timer)
        self.retry_timer = None
        self._serve_readable()
        if self.queued:
            self._ask()

    def _serve_readable(self) -> None:
        due = [read for index, read in self.readable if index <= self.raft.applied]
        self.readable = [pair for pair in self.readable if pair[0] > self.raft.applied]
        for read in due:
            if (read.client, read.call_id) in self.waiting:
                self.promote()
                self.serve(read)

    # Waiting.

    def _wait_for(self, client: str, call_id: int) -> None:
        self.waiting[client, call_id] = self.now + round(PATIENCE_SECONDS * SECOND)
        if self.patience_timer is None:
            self.patience_timer = self.after(PATIENCE_SECONDS, "give_up")

    def forget_waiting(self, client: str, call_id: int) -> bool:
        """A call is answered; whether anybody still waited for it."""
        found = self.waiting.pop((client, call_id), None) is not None
        if not self.waiting and self.patience_timer is not None:
            self.cancel(self.patience_timer)
            self.patience_timer = None
        return found

    def give_up(self) -> None:
        """Calls that have waited too long are told so; their writes may still take effect."""
        self.patience_timer = None
        late = [key for key, until in self.waiting.items() if until <= self.now]
        for client, call_id in late:
            del self.waiting[client, call_id]
            self.send(client, "answered", call_id, TIMED_OUT)
        self.unproposed = [
            entry
            for entry in self.unproposed
            if not entry.client or (entry.client, entry.call_id) in self.waiting
        ]
        self.note(timed_out=[client for client, _ in late], leader=self.raft.leader)
        if self.waiting:
            first = next(iter(self.waiting.values()))
            self.patience_timer = self.after((first - self.now) / SECOND, "give_up")
