"""How the members of an etcd cluster are, seen from outside: for notebooks, views and tests.

Nothing here asks a member by message; it reads what the member holds.

In Kubernetes: `etcdctl endpoint status`; logs and next indexes are not to be seen there.
"""

from __future__ import annotations

from typing import NamedTuple

from kubelab.etcd.member import Member
from kubelab.etcd.raftlog import LogEntry
from kubelab.sim.kernel import World


class MemberSeen(NamedTuple):
    """One member: its role, its term, its log, and what it knows of the others if it leads."""

    name: str
    role: str
    term: int
    commit_index: int
    applied_index: int
    log: tuple[LogEntry, ...]
    leader: str = ""
    vote: str = ""
    votes: tuple[str, ...] = ()
    first_index: int = 1
    last_index: int = 0
    revision: int = 1
    next_index: tuple[tuple[str, int], ...] = ()
    match_index: tuple[tuple[str, int], ...] = ()
    # When its timer runs out and how long it runs in all, nanoseconds; 0 where none runs.
    timeout_ns: int = 0
    timeout_of_ns: int = 0

    @property
    def commit(self) -> int:
        """The commit index."""
        return self.commit_index

    @property
    def running(self) -> bool:
        """Whether the member's process runs."""
        return self.role != "stopped"


def members_of(world: World) -> list[Member]:
    """The members of a world, in order of their names."""
    found = [part for part in world.components.values() if isinstance(part, Member)]
    return sorted(found, key=lambda member: member.name)


def leader_of(world: World) -> str | None:
    """The running member that leads in the newest term, or None."""
    leading = [m for m in members_of(world) if not m.stopped and m.leading]
    return max(leading, key=lambda m: m.raft.term).name if leading else None


def best(world: World) -> str:
    """The member to ask: the leader, else the first that runs, else the first."""
    members = members_of(world)
    running = [member.name for member in members if not member.stopped]
    return leader_of(world) or (running or [m.name for m in members] or ["etcd-1"])[0]


def freshest(world: World) -> Member:
    """The member whose store is furthest, a running one if there is any."""
    return max(members_of(world), key=lambda m: (not m.stopped, m.store.revision))


def seen(world: World) -> list[MemberSeen]:
    """All members as they are."""
    return [_seen(member) for member in members_of(world)]


def _seen(member: Member) -> MemberSeen:
    raft, log = member.raft, member.raft.log
    due = member.raft_due
    return MemberSeen(
        member.name,
        "stopped" if member.stopped else member.state,
        raft.term,
        raft.commit,
        raft.applied,
        tuple(log.entries),
        "" if member.stopped else raft.leader,
        raft.vote,
        () if member.stopped else tuple(name for name, yes in raft.votes.items() if yes),
        log.start + 1,
        log.last_index,
        member.store.revision,
        tuple((name, follower.next) for name, follower in raft.progress.items()),
        tuple((name, follower.match) for name, follower in raft.progress.items()),
        0 if member.stopped or due is None else due[0],
        raft.timeout_ns,
    )
