"""Raft's safety properties, checked on all members after every event.

Figure 3 of the Raft paper (election safety, leader append-only, log matching, leader completeness,
state machine safety), and what etcd adds: terms, commit and applied indexes never fall, and
revisions are the same on every member.
"""

from __future__ import annotations

from typing import Any

from kubelab.etcd.member import Member
from kubelab.etcd.raftlog import LogEntry
from kubelab.etcd.seen import members_of
from kubelab.sim.kernel import World


class Invariants:
    """What was seen so far, and the checks of what is seen now."""

    def __init__(self) -> None:
        self.leaders: dict[int, str] = {}
        self.leads: dict[str, tuple[int, int]] = {}
        self.marks: dict[str, tuple[int, int, int]] = {}
        self.votes: dict[tuple[str, int], str] = {}
        # What was committed at an index, once seen; and the last place that a log was checked at.
        self.committed: dict[int, LogEntry] = {}
        self.revisions: dict[int, Any] = {}

    def check(self, world: World) -> None:
        """Raises AssertionError if anything is broken."""
        members = members_of(world)
        for member in members:
            self._check_member(member)
        for member in members:
            if not member.stopped and member.leading:
                self._check_leader(member)

    def _check_member(self, member: Member) -> None:
        raft, name = member.raft, member.name
        term, commit, applied = self.marks.get(name, (0, 0, 0))
        assert raft.term >= term, f"{name}: its term fell from {term} to {raft.term}"
        assert raft.commit >= commit, f"{name}: its commit index fell"
        assert raft.applied >= applied, f"{name}: its applied index fell"
        assert raft.applied <= raft.commit <= raft.log.last_index, f"{name}: indexes out of order"
        if raft.vote:
            vote = self.votes.setdefault((name, raft.term), raft.vote)
            assert vote == raft.vote, f"{name}: two votes in term {raft.term}"
        for index in range(max(commit, raft.log.start) + 1, raft.commit + 1):
            entry = raft.log.at(index)
            agreed = self.committed.setdefault(index, entry)
            assert agreed == entry, f"{name}: another entry is committed at {index}"
        if raft.applied > applied:
            revision = member.store.revision
            known = self.revisions.setdefault(raft.applied, revision)
            assert known == revision, f"{name}: revision {revision} at {raft.applied}, not {known}"
        self.marks[name] = (raft.term, raft.commit, raft.applied)

    def _check_leader(self, member: Member) -> None:
        raft, name = member.raft, member.name
        leader = self.leaders.setdefault(raft.term, name)
        assert leader == name, f"{name} and {leader} lead in term {raft.term}"
        term, last = self.leads.get(name, (0, 0))
        if term == raft.term:
            assert raft.log.last_index >= last, f"{name}: a leader lost entries"
        else:
            for index, entry in self.committed.items():
                if index > raft.log.start and entry.term < raft.term:
                    assert index <= raft.log.last_index, f"{name} leads without entry {index}"
                    assert raft.log.at(index) == entry, f"{name} leads with another entry {index}"
        self.leads[name] = (raft.term, raft.log.last_index)


def check_logs(world: World) -> None:
    """Log matching: where two logs have the same term at an index, they agree up to there."""
    members = members_of(world)
    for first in members:
        for second in members:
            a, b = first.raft.log, second.raft.log
            index = min(a.last_index, b.last_index)
            low = max(a.start, b.start)
            while index > low and a.term(index) != b.term(index):
                index -= 1
            for at in range(low + 1, index + 1):
                assert a.at(at) == b.at(at), f"{first.name} and {second.name} differ at {at}"
