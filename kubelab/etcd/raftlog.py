"""What members of a Raft cluster keep and say: log entries, messages, the log itself.

The log is a list of entries with ascending index; its beginning may have been cut off, then
`start` and `start_term` say up to where (that part is in the store). A member that needs what was
cut gets a snapshot instead. Entries and messages are never changed.

In Kubernetes: go.etcd.io/raft/v3 (`log.go`, `storage.go`, `raftpb`). What is written here counts as
being on the disk at once; the time that `fsync` takes is left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

# The kinds of messages, which are also the verbs of the trace.
PRE_VOTE, PRE_VOTE_RESULT = "request_pre_vote", "pre_vote_result"
VOTE, VOTE_RESULT = "request_vote", "vote_result"
APPEND, APPEND_RESULT = "append_entries", "append_result"
HEARTBEAT, HEARTBEAT_RESULT = "heartbeat", "heartbeat_result"
SNAPSHOT = "install_snapshot"
TIMEOUT_NOW = "timeout_now"
FORWARD = "forward_proposal"
READ, READ_RESULT = "read_index", "read_index_result"


class LogEntry(NamedTuple):
    """One place of the log: the term in which a leader put it there, and what it says.

    `entry` is a write, a `Change` of the members, or None: with that a new leader begins its term.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index
    term: int
    entry: Any = None


class Change(NamedTuple):
    """A change of the members: `add`, `add_learner`, `promote` or `remove`."""

    kind: str
    member: str
    client: str = ""
    call_id: int = 0
    member_id: int = 0


class Message(NamedTuple):
    """What one member says to another; a kind uses only the fields that it needs."""

    kind: str
    sender: str
    target: str
    term: int = 0
    index: int = 0  # type: ignore[assignment]  # hides tuple.index
    log_term: int = 0
    entries: tuple[LogEntry, ...] = ()
    commit: int = 0
    reject: bool = False
    hint: int = 0
    # A read's name, or the word that a vote is part of a transfer of leadership.
    context: Any = None
    snapshot: Any = None


class Snapshot(NamedTuple):
    """All that the log up to `index` has led to."""

    index: int  # type: ignore[assignment]  # hides tuple.index
    term: int
    voters: tuple[str, ...]
    learners: tuple[str, ...]
    state: Any


class RaftLog:
    """Entries `start + 1` to `last_index`."""

    def __init__(self) -> None:
        self.start = 0
        self.start_term = 0
        self.entries: list[LogEntry] = []

    @property
    def last_index(self) -> int:
        """The index of the last entry."""
        return self.start + len(self.entries)

    @property
    def last_term(self) -> int:
        """The term of the last entry."""
        return self.entries[-1].term if self.entries else self.start_term

    def term(self, index: int) -> int | None:
        """The term of an entry; None where there is none, or none any more."""
        if index == self.start:
            return self.start_term
        at = index - self.start - 1
        return self.entries[at].term if 0 <= at < len(self.entries) else None

    def at(self, index: int) -> LogEntry:
        """The entry with an index; it must be there."""
        return self.entries[index - self.start - 1]

    def after(self, index: int, limit: int) -> tuple[LogEntry, ...]:
        """At most `limit` entries after an index."""
        at = index - self.start
        return tuple(self.entries[at : at + limit])

    def append(self, term: int, entry: Any) -> LogEntry:
        """One more entry at the end."""
        made = LogEntry(self.last_index + 1, term, entry)
        self.entries.append(made)
        return made

    def merge(self, entries: tuple[LogEntry, ...], committed: int) -> tuple[int, int] | None:
        """Takes over a leader's entries; what contradicts them goes. Returns first and last of it.

        Raft, figure 2, AppendEntries 3 and 4: only an entry with the same index and another term
        is a contradiction; entries that are there already stay, with all that follows them.
        """
        for number, entry in enumerate(entries):
            if self.term(entry.index) == entry.term:
                continue
            last = self.last_index
            assert entry.index > committed, "a committed entry is never overwritten"
            del self.entries[entry.index - self.start - 1 :]
            self.entries += entries[number:]
            return (entry.index, last) if last >= entry.index else None
        return None

    def last_not_above(self, index: int, term: int) -> int:
        """The last index up to `index` whose term is not above `term`."""
        index = min(index, self.last_index)
        while index > self.start:
            own = self.term(index)
            if own is None or own <= term:
                break
            index -= 1
        return index

    def cut(self, index: int) -> None:
        """Gives up the entries up to an index, which the store has taken in."""
        term = self.term(index)
        assert term is not None
        del self.entries[: index - self.start]
        self.start, self.start_term = index, term

    def restart(self, snapshot: Snapshot) -> None:
        """Begins after a snapshot; what was there is gone."""
        self.start, self.start_term = snapshot.index, snapshot.term
        self.entries = []
