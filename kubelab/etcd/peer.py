"""A member's part in Raft, as a component: messages are events, timers are events.

`Peer` drives the state machine of `raft.py`: it hands it messages and time, sends what it wants
sent, and applies what is committed, one entry an event (verb `apply`). A write that is `propose`d
is answered when it is applied here. Calls that wait, reads above all, are in `waiting.py`.

A member that is alone agrees with itself: nothing is sent, no timer runs.

In Kubernetes: go.etcd.io/etcd/server/v3/etcdserver (`raft.go`, `server.go`, `v3_server.go`). A read
that meets a change of leaders is asked again here; there its client does that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.etcd import raftlog as kinds
from kubelab.etcd.entries import Entry
from kubelab.etcd.raft import LEADER, Raft
from kubelab.etcd.raftlog import Change, LogEntry, Message, Snapshot
from kubelab.etcd.waiting import Waiting
from kubelab.sim.kernel import SECOND

# The log is cut after so many applied entries, and so many of them are kept for slow followers
# (etcd: 10,000 and 5,000).
SNAPSHOT_ENTRIES = 200
KEPT_ENTRIES = 100


class Noise(NamedTuple):
    """How bad a link is: shares of 1, and by how much a message may be late."""

    loss: float = 0.0
    duplication: float = 0.0
    jitter_ns: int = 0


class Peer(Waiting):
    """The half of a member that agrees with the others."""

    def __init__(self, name: str, *, members: tuple[str, ...] = (), joining: bool = False) -> None:
        super().__init__(name)
        # The disk.
        self.raft = Raft(name)
        if not joining:
            # The members that a cluster begins with are its first entries.
            for member in members or (name,):
                change = Change("add", member)
                self.raft.log.append(1, change)
                self.raft.change_members(change)
            self.raft.term = 1
            self.raft.commit = self.raft.applied = self.raft.log.last_index
        # The machine: its links, and how many thousandths its clock runs of each thousand.
        self.noise: dict[str, Noise] = {}
        self.clock_rate = 1000
        self.clock_base = (0, 0)

    def start_raft(self) -> None:
        """Begins with what is on the disk; memory is empty."""
        self.start_waiting()
        self.raft_timer: int | None = None
        self.raft_due: tuple[int, str] | None = None
        # The last entry whose application is under way.
        self.planned = 0
        self.seen = ("", "", 0)
        self.raft.restart(self._clock(), self.chance)
        if self.alone:
            self.raft.campaign(self._clock(), pre=False)
        self.ready()

    # Hooks of `Member`.

    def apply_write(self, entry: Entry) -> None:
        """Does what was agreed on."""

    def apply_change(self, change: Change) -> None:
        """The members have changed."""

    def answer(self, client: str, call_id: int, request: Any, result: Any) -> None:
        """Answers a call."""

    def answer_applied(self, client: str, call_id: int, request: Any, result: Any) -> None:
        """Answers a call whose entry is applied, if it was made here and still waits."""

    def led(self) -> None:
        """The role, the leader or the term have changed."""

    def dump_state(self) -> Any:
        """All that applied entries have led to."""

    def load_state(self, state: Any) -> None:
        """Takes another member's state over."""

    # Time.

    def _clock(self) -> int:
        """The member's own clock, which may run fast or slow."""
        base, since = self.clock_base
        return base + (self.now - since) * self.clock_rate // 1000

    def set_clock_rate(self, rate: int) -> None:
        """From now on the clock runs at `rate` thousandths of the true speed."""
        self.clock_base = (self._clock(), self.now)
        self.clock_rate = rate
        self.note(rate=rate)
        self._arm(renew=True)

    def election_timeout(self) -> None:
        """No leader was heard for too long."""
        self._tick()

    def heartbeat_timeout(self) -> None:
        """A leader tells that it lives."""
        self._tick()

    def _tick(self) -> None:
        self.raft_timer = self.raft_due = None
        self.note(heard_before_ms=(self._clock() - self.raft.heard_ns) // 1_000_000)
        self.raft.tick(self._clock())
        self.ready()

    def campaign_now(self) -> None:
        """Somebody lets our election timer run out."""
        if not self.leading:
            self.raft.campaign(self._clock(), pre=True)
        self.ready()

    def _arm(self, *, renew: bool = False) -> None:
        """Sets the timer for what is due next."""
        raft = self.raft
        if self.alone or self.name not in raft.voters:
            self.cancel(self.raft_timer)
            self.raft_timer = self.raft_due = None
            return
        verb = "heartbeat_timeout" if raft.role == LEADER else "election_timeout"
        due = (raft.due(), verb)
        if due == self.raft_due and not renew:
            return
        self.cancel(self.raft_timer)
        wait_ns = max(0, due[0] - self._clock()) * 1000 // self.clock_rate + 1
        self.raft_timer = self.after(wait_ns / SECOND, verb, background=True)
        self.raft_due = due

    # Messages.

    def receive(self, message: Message) -> None:
        """A message of another member."""
        raft = self.raft
        self.note(term=message.term, **heard(message))
        raft.step(message, self._clock())
        if message.kind == kinds.APPEND and raft.overwritten:
            first, last = raft.overwritten
            self.note(overwritten=[first, last])
            raft.overwritten = None
        self.ready()

    # One verb for each kind of message, so that the trace can be read.
    request_pre_vote = pre_vote_result = request_vote = vote_result = receive
    append_entries = append_result = heartbeat = heartbeat_result = receive
    install_snapshot = timeout_now = forward_proposal = receive
    read_index = read_index_result = receive

    def ready(self) -> None:
        """Does what the state machine wants done."""
        raft = self.raft
        if raft.installed is not None:
            self._install(raft.installed)
            raft.installed = None
        if raft.wants_snapshot:
            self._send_snapshots()
        seen = (raft.role, raft.leader, raft.term)
        if seen != self.seen:
            self._turn(seen)
        if raft.outbox:
            self._send_all()
        if raft.reads_done:
            done, raft.reads_done = raft.reads_done, []
            for context, index in done:
                self._may_read(context, index)
        if raft.applied < raft.commit:
            if self.alone:
                while raft.applied < raft.commit:
                    self._apply_next()
            else:
                self._plan_applying()
        if raft.outbox:
            self._send_all()
        self._arm()

    def _turn(self, seen: tuple[str, str, int]) -> None:
        """The role, the leader or the term have changed."""
        before, self.seen = self.seen, seen
        role, leader, term = seen
        self.note(role=role, term=term, leader=leader)
        if before[0]:
            self.note(was=before[0])
        self.led()
        if leader and leader != before[1]:
            unproposed, self.unproposed = self.unproposed, []
            for entry in unproposed:
                self._hand_on(entry)
            if self.asked:
                self._ask()

    def _send_all(self) -> None:
        outbox, self.raft.outbox = self.raft.outbox, []
        lost = [message.target for message in outbox if not self._transmit(message)]
        if lost:
            self.note(lost=lost)

    def _transmit(self, message: Message) -> bool:
        """Sends a message over its link; False if it is lost on the way."""
        world, target = self.world, message.target
        if world.links.is_cut(self.name, target):
            return False
        noise = self.noise.get(target)
        if noise is None:
            self.send(target, message.kind, message)
            return True
        draw = world.stream(f"{self.name}/link")
        if draw.random() < noise.loss:
            return False
        # Members are connected by streams, which repeat nothing: of what is here sent twice only
        # a forwarded proposal would be taken twice.
        twice = draw.random() < noise.duplication and message.kind != kinds.FORWARD
        for _ in range(1 + twice):
            late = draw.below(noise.jitter_ns + 1)
            arrival = world.links.arrival_ns(self.now, self.name, target) + late
            world.push(arrival, self.name, target, message.kind, (message,), None)
        return True

    def disturb(self, target: str, noise: tuple[float, float, int]) -> None:
        """From now on our messages to a member are lost, doubled or late (the parts of a Noise)."""
        noise = Noise(*noise)
        self.note(to=target, loss=noise.loss, duplication=noise.duplication)
        self.noise[target] = noise

    def _send_snapshots(self) -> None:
        raft = self.raft
        state = self.dump_state()
        snapshot = Snapshot(
            raft.applied, raft.log.term(raft.applied) or 0, tuple(raft.voters),
            tuple(raft.learners), state,
        )  # fmt: skip
        for name in raft.wants_snapshot:
            raft.post(kinds.SNAPSHOT, name, index=snapshot.index, snapshot=snapshot)
        self.note(snapshot=snapshot.index, snapshot_to=list(raft.wants_snapshot))
        raft.wants_snapshot.clear()

    def _install(self, snapshot: Snapshot) -> None:
        self.raft.applied = snapshot.index
        self.load_state(snapshot.state)
        self.note(installed=snapshot.index)

    # Writes.

    def propose(self, entry: Entry | Change) -> None:
        """Asks the members to agree; answered when it is applied, or after a while."""
        if self.alone:
            if entry.client:
                self.waiting[entry.client, entry.call_id] = 0
            self.raft.propose(entry)
            self.ready()
            return
        if entry.client:
            self._wait_for(entry.client, entry.call_id)
        self._hand_on(entry)
        self.ready()

    def _hand_on(self, entry: Entry | Change) -> None:
        """To the leader, whoever that is; if nobody is, it waits."""
        raft = self.raft
        if raft.role == LEADER:
            raft.propose(entry)
            self.note(index=raft.log.last_index, term=raft.term)
        elif raft.leader:
            raft.post(kinds.FORWARD, raft.leader, entries=(LogEntry(0, 0, entry),))
            self.note(forwarded=raft.leader)
        else:
            self.unproposed.append(entry)
            self.note(no_leader=True)

    def _plan_applying(self) -> None:
        """An event for each entry that is committed now; what committed it is its cause."""
        for _ in range(max(self.planned, self.raft.applied), self.raft.commit):
            self.after(0, "apply")
        self.planned = self.raft.commit

    def apply(self) -> None:
        """Applies the next entry that is committed."""
        raft = self.raft
        if raft.applied < raft.commit:
            self._apply_next()
        self.ready()

    def _apply_next(self) -> None:
        raft = self.raft
        made = raft.log.at(raft.applied + 1)
        raft.applied = made.index
        entry = made.entry
        if not self.alone:
            self.note(index=made.index, entry_term=made.term)
        if isinstance(entry, Change):
            raft.apply_change(entry, self._clock())
            self.apply_change(entry)
        elif entry is not None:
            if entry.client and not self.alone:
                self.note(method=entry.method, client=entry.client)
                self.promote()
            self.apply_write(entry)
        if raft.applied - raft.log.start > SNAPSHOT_ENTRIES:
            raft.log.cut(raft.applied - KEPT_ENTRIES)
            self.note(cut=raft.log.start)
        if self.readable:
            self._serve_readable()


def heard(message: Message) -> dict[str, Any]:
    """What a message says, for the trace."""
    detail: dict[str, Any] = {}
    if message.kind in (kinds.APPEND, kinds.APPEND_RESULT, kinds.VOTE, kinds.PRE_VOTE):
        detail["index"] = message.index
    if message.kind in (kinds.APPEND, kinds.VOTE, kinds.PRE_VOTE):
        detail["log_term"] = message.log_term
    if message.kind in (kinds.APPEND, kinds.FORWARD):
        detail["entries"] = len(message.entries)
    if message.kind in (kinds.APPEND, kinds.HEARTBEAT):
        detail["leader_commit"] = message.commit
    if message.kind.endswith("_result") and message.kind != kinds.HEARTBEAT_RESULT:
        detail["reject"] = message.reject
    if message.kind == kinds.READ_RESULT:
        detail["read_index"] = message.index
    return detail
