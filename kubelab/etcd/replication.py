"""The log's way to the followers: appending, committing, reading, snapshots.

The leader knows of each follower how much surely `match`es its own log and which entry is to be
sent `next`. It probes until the two logs meet (one message at a time), then sends entries as they
come; who needs what was cut from the log gets a snapshot. § numbers are those of the Raft paper.

In Kubernetes: go.etcd.io/raft/v3 (`raft.go`, `tracker/progress.go`, `read_only.go`). The limit on
messages under way is left out; links have no limit here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from kubelab.etcd import raftlog as kinds
from kubelab.etcd.raftlog import Change, Message, RaftLog, Snapshot

PROBE, REPLICATE, SNAPSHOT = "probe", "replicate", "snapshot"

# At most so many entries go into one message.
BATCH = 64


class Progress(NamedTuple):
    """What the leader knows of a follower (figure 2, volatile state on leaders)."""

    match: int
    next: int
    state: str = PROBE
    # A probe is under way; or up to where a snapshot that is under way goes.
    waiting: bool = False
    snapshot: int = 0
    # Heard from since the last check of the quorum.
    active: bool = False


class Round(NamedTuple):
    """A read whose leader asks whether it still leads: the commit index at its start."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    reader: str
    acks: tuple[str, ...]


class Replication:
    """The half of `Raft` that is about the log."""

    # Set by `Raft`.
    term: int
    role: str

    def __init__(self, name: str, voters: Iterable[str], learners: Iterable[str]) -> None:
        self.name = name
        # On the disk. `commit` and `applied` fall behind the log, never back.
        self.log = RaftLog()
        self.voters: dict[str, None] = dict.fromkeys(voters)
        self.learners: dict[str, None] = dict.fromkeys(learners)
        self.commit = 0
        self.applied = 0

    def clear(self) -> None:
        """Forgets all that is not on the disk."""
        # What whoever drives us takes: messages to send, reads that may be answered from an index
        # on, a snapshot that takes the place of the state, who needs a snapshot from us.
        self.outbox: list[Message] = []
        self.reads_done: list[tuple[Any, int]] = []
        self.installed: Snapshot | None = None
        self.wants_snapshot: dict[str, None] = {}
        self.overwritten: tuple[int, int] | None = None
        self.reset()

    def reset(self) -> None:
        """Forgets what only a leader knows."""
        self.progress: dict[str, Progress] = {}
        self.rounds: dict[Any, Round] = {}
        self.deferred: list[tuple[Any, str]] = []
        self.pending_change = 0
        self.wants_snapshot.clear()

    @property
    def members(self) -> tuple[str, ...]:
        """Voters and learners."""
        return (*self.voters, *self.learners)

    @property
    def quorum(self) -> int:
        """How many voters are a majority."""
        return len(self.voters) // 2 + 1

    def post(self, kind: str, target: str, **fields: Any) -> None:
        """Puts a message into the outbox, of our term unless another is given."""
        fields.setdefault("term", self.term)
        self.outbox.append(Message(kind, self.name, target, **fields))

    # The leader.

    def begin_term(self) -> None:
        """Nothing is known of the followers; the first entry of the term finds it out (§5.3)."""
        last = self.log.last_index
        self.reset()
        self.progress = {n: Progress(0, last + 1) for n in self.members if n != self.name}
        # Of the entries that we took over, one may be a change of the members.
        self.pending_change = last
        self.lead_entry(None)

    def lead_entry(self, entry: Any) -> None:
        """Appends as the leader and sends it to all (§5.3)."""
        self.log.append(self.term, entry)
        if not self.progress:
            self.advance_commit()
            return
        for name in self.progress:
            self.replicate_to(name)
        self.advance_commit()

    def replicate_to(self, name: str, *, even_empty: bool = False) -> None:
        """Sends a follower what it lacks, if it may be sent something now."""
        follower = self.progress[name]
        if follower.waiting or follower.state == SNAPSHOT:
            return
        before = follower.next - 1
        term = self.log.term(before)
        if term is None:
            self.progress[name] = follower._replace(state=SNAPSHOT, snapshot=self.applied)
            self.wants_snapshot[name] = None
            return
        entries = self.log.after(before, BATCH)
        if not entries and not even_empty:
            return
        self.post(
            kinds.APPEND, name, index=before, log_term=term, entries=entries, commit=self.commit
        )
        if follower.state == PROBE:
            self.progress[name] = follower._replace(waiting=bool(entries))
        else:
            self.progress[name] = follower._replace(next=before + len(entries) + 1)

    def send_heartbeats(self, context: Any = None) -> None:
        """Tells all that we lead, and what they may commit of what they surely have (§5.2)."""
        for name, follower in self.progress.items():
            commit = min(follower.match, self.commit)
            self.post(kinds.HEARTBEAT, name, commit=commit, context=context)

    def take_result(self, message: Message) -> None:
        """A follower has taken our entries, or its log does not meet ours yet (§5.3)."""
        name = message.sender
        follower = self.progress[name]._replace(active=True, waiting=False)
        self.progress[name] = follower
        if message.reject:
            if message.index <= follower.match:
                return
            # Skip a term at a time instead of an entry (end of §5.3).
            following = self.log.last_not_above(message.hint, message.log_term) + 1
            following = max(min(following, message.index), follower.match + 1)
            self.progress[name] = follower._replace(next=following, state=PROBE, snapshot=0)
            self.replicate_to(name, even_empty=True)
            return
        if message.index <= follower.match:
            if follower.state == PROBE:
                self.progress[name] = follower._replace(state=REPLICATE, next=follower.match + 1)
            self.replicate_to(name)
            return
        state, following = follower.state, max(follower.next, message.index + 1)
        if state == PROBE or message.index >= follower.snapshot:
            state = REPLICATE
        if state == REPLICATE and follower.state != REPLICATE:
            following = message.index + 1
        self.progress[name] = follower._replace(match=message.index, next=following, state=state)
        if self.advance_commit():
            return
        self.replicate_to(name)

    def take_heartbeat_result(self, message: Message) -> None:
        """A follower lives; what it lacks is sent again, as messages get lost."""
        name = message.sender
        follower = self.progress[name]._replace(active=True, waiting=False)
        if follower.state == SNAPSHOT:
            # It has heard this heartbeat but taken no snapshot: that was lost.
            follower = follower._replace(state=PROBE, next=follower.match + 1)
        self.progress[name] = follower
        if message.context is not None:
            self._confirmed(message.context, name)
        if follower.match < self.log.last_index or follower.state == PROBE:
            # An empty append also finds out that a message was lost on the way.
            self.replicate_to(name, even_empty=True)

    def advance_commit(self) -> bool:
        """Commits what a majority has, if it is of our own term (§5.3, §5.4.2, figure 8)."""
        matches = sorted(
            self.log.last_index if name == self.name else self.progress[name].match
            for name in self.voters
        )
        index = matches[-self.quorum] if matches else 0
        if index <= self.commit or self.log.term(index) != self.term:
            return False
        self.commit = index
        for name in self.progress:
            self.replicate_to(name, even_empty=True)
        deferred, self.deferred = self.deferred, []
        for context, reader in deferred:
            self.read(context, reader)
        return True

    # Reading without an entry (§8): the leader makes sure that it still is one.

    def read(self, context: Any, reader: str) -> None:
        """A read may be answered from the commit index of now, once a majority confirms us."""
        if self.log.term(self.commit) != self.term:
            # Until its first entry is committed, a leader does not know what is (§8).
            self.deferred.append((context, reader))
            return
        if self.quorum == 1:
            self._readable(context, Round(self.commit, reader, ()))
            return
        self.rounds[context] = Round(self.commit, reader, (self.name,))
        self.send_heartbeats(context)

    def _confirmed(self, context: Any, name: str) -> None:
        found = self.rounds.get(context)
        if found is None or name in found.acks or name not in self.voters:
            return
        self.rounds[context] = found = found._replace(acks=(*found.acks, name))
        if len([ack for ack in found.acks if ack in self.voters]) < self.quorum:
            return
        # Rounds that began before this one are confirmed with it.
        for earlier in list(self.rounds):
            self._readable(earlier, self.rounds.pop(earlier))
            if earlier == context:
                break

    def _readable(self, context: Any, done: Round) -> None:
        if done.reader == self.name:
            self.reads_done.append((context, done.index))
        else:
            self.post(kinds.READ_RESULT, done.reader, index=done.index, context=context)

    # The follower.

    def commit_to(self, index: int) -> None:
        """The leader has committed up to an index (figure 2, AppendEntries 5)."""
        self.commit = max(self.commit, min(index, self.log.last_index))

    def take_entries(self, message: Message) -> None:
        """Takes entries over if our log has the one before them (figure 2, AppendEntries)."""
        leader, log = message.sender, self.log
        if message.index < self.commit:
            self.post(kinds.APPEND_RESULT, leader, index=self.commit)
            return
        if log.term(message.index) != message.log_term:
            hint = log.last_not_above(message.index, message.log_term)
            self.post(
                kinds.APPEND_RESULT, leader, index=message.index, reject=True, hint=hint,
                log_term=log.term(hint) or 0,
            )  # fmt: skip
            return
        gone = log.merge(message.entries, self.commit)
        if gone:
            self.overwritten = gone
        last = message.index + len(message.entries)
        self.commit_to(min(message.commit, last))
        self.post(kinds.APPEND_RESULT, leader, index=last)

    def take_snapshot(self, message: Message) -> None:
        """Takes over the whole state, unless our log is that far already (§7, figure 13)."""
        snapshot: Snapshot = message.snapshot
        if snapshot.index <= self.commit:
            self.post(kinds.APPEND_RESULT, message.sender, index=self.commit)
            return
        if self.log.term(snapshot.index) == snapshot.term:
            # Figure 13, 6: the log holds it; it only needs to be committed.
            self.commit_to(snapshot.index)
        else:
            self.log.restart(snapshot)
            self.voters = dict.fromkeys(snapshot.voters)
            self.learners = dict.fromkeys(snapshot.learners)
            self.commit = snapshot.index
            self.installed = snapshot
        self.post(kinds.APPEND_RESULT, message.sender, index=snapshot.index)

    # Members come and go.

    def change_members(self, change: Change) -> None:
        """Voters and learners after a change."""
        name = change.member
        if change.kind == "remove":
            self.voters.pop(name, None)
            self.learners.pop(name, None)
            self.progress.pop(name, None)
        elif change.kind == "add_learner":
            self.learners[name] = None
        else:
            self.learners.pop(name, None)
            self.voters[name] = None

    def after_change(self) -> None:
        """The leader begins to care for new members; a smaller majority may commit more."""
        for name in self.members:
            if name != self.name and name not in self.progress:
                # Counted as heard, so that it has time to come up.
                self.progress[name] = Progress(0, self.log.last_index + 1, active=True)
                self.replicate_to(name, even_empty=True)
        self.advance_commit()
