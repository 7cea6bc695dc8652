"""The Raft algorithm: members elect a leader, and agree on one log through it.

A pure state machine: `step` takes a message, `tick` says that time has passed, `propose` asks for
an entry; messages to send gather in `outbox`, and `commit` says up to where the log is agreed on.
Times are nanoseconds of the member's own clock. § numbers are those of the paper (Ongaro and
Ousterhout, "In Search of an Understandable Consensus Algorithm", 2014), D§ those of Ongaro's
dissertation. How a leader keeps its followers' logs up to date is in `replication.py`.

What must hold: a term has at most one leader; a leader only appends; two logs that agree on an
index and its term agree on all before; what is committed is in the log of every later leader.

In Kubernetes: go.etcd.io/raft/v3 (`raft.go`), as etcd sets it up: pre-vote and check-quorum are on,
reads are safe without clocks. Joint consensus, which etcd does not use, is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubelab.etcd import raftlog as kinds
from kubelab.etcd.raftlog import Change, Message
from kubelab.etcd.replication import Replication
from kubelab.sim.chance import Chance

FOLLOWER, PRE_CANDIDATE = "follower", "pre-candidate"
CANDIDATE, LEADER = "candidate", "leader"

MS = 1_000_000
HEARTBEAT_NS = 100 * MS
ELECTION_NS = 1000 * MS

# The word that a vote is wanted because the leader itself hands over.
TRANSFER = "transfer"


class Raft(Replication):
    """One member's part in the algorithm."""

    def __init__(self, name: str, voters: Iterable[str] = (), learners: Iterable[str] = ()) -> None:
        super().__init__(name, voters, learners)
        # On the disk, with the log (figure 2, persistent state).
        self.term = 0
        self.vote = ""
        self.restart(0, Chance(0, name))

    def restart(self, now: int, chance: Chance) -> None:
        """Begins as a follower with what is on the disk (§5.1, §5.2)."""
        self.chance = chance
        self.clear()
        self.votes: dict[str, bool] = {}
        self.role = FOLLOWER
        self.leader = ""
        self.heard_ns = now
        self.quorum_check_ns = 0
        self.transferee = ""
        self._draw(now)

    # Time.

    def due(self) -> int:
        """When something happens unless a message comes first."""
        return self.heartbeat_ns if self.role == LEADER else self.election_ns

    def tick(self, now: int) -> None:
        """Does what is due."""
        if now < self.due():
            return
        if self.role != LEADER:
            self._draw(now)
            self.campaign(now, pre=True)
            return
        if now >= self.quorum_check_ns:
            self._check_quorum(now)
        if self.role == LEADER:
            self.heartbeat_ns = now + HEARTBEAT_NS
            self.send_heartbeats()

    def _draw(self, now: int) -> None:
        """Draws how long to wait for a leader, and waits (§5.2: so that few votes are split)."""
        self.timeout_ns = ELECTION_NS + self.chance.below(1000) * MS
        self._wait(now)

    def _wait(self, now: int) -> None:
        """Waits for a leader's next word from now on."""
        self.heartbeat_ns = now + HEARTBEAT_NS
        self.election_ns = now + self.timeout_ns

    def _check_quorum(self, now: int) -> None:
        """A leader that hears no majority any more steps down (D§6.2)."""
        self.quorum_check_ns = now + ELECTION_NS
        self.transferee = ""
        active = [name for name in self.voters if name == self.name or self.progress[name].active]
        for name, follower in self.progress.items():
            self.progress[name] = follower._replace(active=False)
        if len(active) < self.quorum:
            self.become_follower(now, self.term, "")

    # Roles.

    def become_follower(self, now: int, term: int, leader: str) -> None:
        """Follows; in a new term nobody has our vote yet (§5.1)."""
        if term > self.term:
            self.term, self.vote = term, ""
        self.role, self.leader = FOLLOWER, leader
        self.votes = {}
        self.transferee = ""
        self.reset()
        self._draw(now)

    def campaign(self, now: int, *, pre: bool, transfer: bool = False) -> None:
        """Asks for votes (§5.2).

        With `pre` only whether we would get them (D§9.6): our term stays as it is, so that a member
        that was cut off does not unseat a leader when it comes back.
        """
        if self.name not in self.voters:
            return
        self.leader = ""
        self.votes = {self.name: True}
        if pre:
            self.role = PRE_CANDIDATE
            kind, term = kinds.PRE_VOTE, self.term + 1
        else:
            self.role = CANDIDATE
            self.term += 1
            self.vote = self.name
            kind, term = kinds.VOTE, self.term
            self._draw(now)
        if self._tally(now):
            return
        for name in self.voters:
            if name != self.name:
                self.post(
                    kind, name, term=term, index=self.log.last_index, log_term=self.log.last_term,
                    context=TRANSFER if transfer else None,
                )  # fmt: skip

    def _tally(self, now: int) -> bool:
        """Whether the votes decide: a majority for us, or one against us."""
        granted = sum(self.votes.values())
        if granted >= self.quorum:
            if self.role == PRE_CANDIDATE:
                self.campaign(now, pre=False)
            else:
                self.become_leader(now)
            return True
        if len(self.votes) - granted >= self.quorum:
            self.become_follower(now, self.term, "")
            return True
        return False

    def become_leader(self, now: int) -> None:
        """Leads: what the followers have is unknown; an empty entry begins the term (§8)."""
        self.role, self.leader = LEADER, self.name
        self.votes = {}
        self.transferee = ""
        self.heartbeat_ns = now + HEARTBEAT_NS
        self.quorum_check_ns = now + ELECTION_NS
        self.begin_term()

    # Messages.

    def step(self, message: Message, now: int) -> None:
        """Takes a message."""
        if message.term > self.term:
            if not self._take_term(message, now):
                return
        elif message.term < self.term and message.kind not in (
            kinds.FORWARD, kinds.READ, kinds.READ_RESULT,
        ):  # fmt: skip
            self._refuse_old(message)
            return
        kind = message.kind
        if kind in (kinds.VOTE, kinds.PRE_VOTE):
            self._asked_for_vote(message, now)
        elif kind in (kinds.VOTE_RESULT, kinds.PRE_VOTE_RESULT):
            self._got_vote(message, now)
        elif kind in (kinds.APPEND, kinds.HEARTBEAT, kinds.SNAPSHOT):
            self._hear_leader(message, now)
        elif kind == kinds.TIMEOUT_NOW:
            self._wait(now)
            self.campaign(now, pre=False, transfer=True)
        elif kind == kinds.READ_RESULT:
            self.reads_done.append((message.context, message.index))
        elif self.role == LEADER:
            self._as_leader(message, now)

    def _take_term(self, message: Message, now: int) -> bool:
        """A message of a newer term: whoever is behind follows (§5.1). False if it is ignored."""
        asks = message.kind in (kinds.VOTE, kinds.PRE_VOTE)
        if asks and message.context != TRANSFER and self._has_leader(now):
            # D§4.2.3: who hears a leader lets nobody disturb it.
            return False
        if message.kind == kinds.PRE_VOTE:
            return True
        if message.kind == kinds.PRE_VOTE_RESULT and not message.reject:
            # It carries the term that we asked about, which nobody has begun.
            return True
        speaks = message.kind in (kinds.APPEND, kinds.HEARTBEAT, kinds.SNAPSHOT)
        self.become_follower(now, message.term, message.sender if speaks else "")
        return True

    def _has_leader(self, now: int) -> bool:
        """Whether we have heard from a leader, or led, less than an election time-out ago."""
        return bool(self.leader) and (self.role == LEADER or now - self.heard_ns < ELECTION_NS)

    def _refuse_old(self, message: Message) -> None:
        """A message of an older term: its sender may learn of ours (§5.1)."""
        if message.kind in (kinds.APPEND, kinds.HEARTBEAT):
            # Accepts nothing; the term alone makes a leader of the past step down.
            self.post(kinds.APPEND_RESULT, message.sender, index=message.index, reject=True)
        elif message.kind == kinds.PRE_VOTE:
            self.post(kinds.PRE_VOTE_RESULT, message.sender, reject=True)

    def _asked_for_vote(self, message: Message, now: int) -> None:
        """Grants a vote once a term, and only to one whose log is no older (§5.2, §5.4.1)."""
        pre = message.kind == kinds.PRE_VOTE
        free = self.vote == message.sender or (not self.vote and not self.leader)
        free = free or (pre and message.term > self.term)
        ours = (self.log.last_term, self.log.last_index)
        granted = free and (message.log_term, message.index) >= ours
        answer = kinds.PRE_VOTE_RESULT if pre else kinds.VOTE_RESULT
        self.post(
            answer, message.sender, term=message.term if granted else self.term, reject=not granted
        )
        if granted and not pre:
            self.vote = message.sender
            self._wait(now)

    def _got_vote(self, message: Message, now: int) -> None:
        wanted = PRE_CANDIDATE if message.kind == kinds.PRE_VOTE_RESULT else CANDIDATE
        if self.role == wanted and message.sender in self.voters:
            self.votes.setdefault(message.sender, not message.reject)
            self._tally(now)

    def _hear_leader(self, message: Message, now: int) -> None:
        """The leader of our term speaks: candidates give up (§5.2)."""
        assert self.role != LEADER, "a term has one leader"
        if self.role != FOLLOWER:
            self.become_follower(now, self.term, message.sender)
        self.leader = message.sender
        self.heard_ns = now
        self._wait(now)
        if message.kind == kinds.APPEND:
            self.take_entries(message)
        elif message.kind == kinds.SNAPSHOT:
            self.take_snapshot(message)
        else:
            self.commit_to(message.commit)
            self.post(kinds.HEARTBEAT_RESULT, message.sender, context=message.context)

    def _as_leader(self, message: Message, now: int) -> None:
        if message.kind == kinds.FORWARD:
            for entry in message.entries:
                self.propose(entry.entry)
        elif message.kind == kinds.READ:
            self.read(message.context, message.sender)
        elif message.sender in self.progress:
            if message.kind == kinds.HEARTBEAT_RESULT:
                self.take_heartbeat_result(message)
            elif message.kind == kinds.APPEND_RESULT:
                self.take_result(message)
                self._hand_over()

    # What a member is asked for.

    def propose(self, entry: Any) -> bool:
        """Appends an entry as the leader; False if it is not taken now."""
        if self.role != LEADER or self.transferee or self.name not in self.members:
            return False
        if isinstance(entry, Change):
            if self.pending_change > self.applied:
                # D§4.1: one change of the members at a time.
                return False
            self.pending_change = self.log.last_index + 1
        self.lead_entry(entry)
        return True

    def transfer(self, target: str, now: int) -> None:
        """Hands the leadership over as soon as `target` has our whole log (D§3.10)."""
        self.transferee = target
        self.quorum_check_ns = now + ELECTION_NS
        self._hand_over()
        if target == self.transferee and target in self.progress:
            self.replicate_to(target)

    def _hand_over(self) -> None:
        target = self.transferee
        if target in self.progress and self.progress[target].match == self.log.last_index:
            self.post(kinds.TIMEOUT_NOW, target)

    def apply_change(self, change: Change, now: int) -> None:
        """A change of the members takes effect (D§4.1: by single steps, majorities overlap)."""
        self.change_members(change)
        if change.kind == "remove" and change.member == self.name and self.role == LEADER:
            self.become_follower(now, self.term, "")
        if self.role == LEADER:
            if change.member == self.transferee:
                self.transferee = ""
            self.after_change()
