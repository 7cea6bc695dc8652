"""A member's watches as events: calls that begin and end them, and the loop that catches up.

Which watch is told what is decided in `watch.py`; here are messages and timers. Every 100 ms, as
long as some watch is behind, each such watch gets a batch of history.

In Kubernetes: go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc/watch.go and
server/v3/storage/mvcc/watchable_store.go (`syncWatchersLoop`).
"""

from __future__ import annotations

from kubelab.etcd import explain, records
from kubelab.etcd.errors import NO_LEADER
from kubelab.etcd.maintenance import Maintenance
from kubelab.etcd.watch import Answer, Watchers
from kubelab.sim.kernel import SECOND

CATCH_UP_SECONDS = 0.1
PROGRESS_SECONDS = 600
# Three election time-outs.
LEADERLESS_SECONDS = 3


class Watching(Maintenance):
    """The part of a member that serves watches."""

    def start_watching(self) -> None:
        """Nobody watches yet."""
        self.started_ns = self.now
        self.watchers = Watchers(self.store)
        self.catch_up_timer: int | None = None
        self.leaderless_timer: int | None = None

    def watch(
        self,
        client: str,
        call_id: int,
        request: records.WatchRequest,
        stream: int = 0,
        require_leader: bool = False,
    ) -> None:
        """Begins a watch; its responses are `watch_response(call_id, response)`.

        With `require_leader` its stream ends when we have known no leader for some time, as what it
        hears may be old by then.
        """
        if require_leader:
            if not self.raft.leader and not self.alone:
                self.note(error=NO_LEADER.message)
                self.send(client, "answered", call_id, NO_LEADER)
                return
            self.watchers.require_leader(client, stream)
        answers = self.watchers.create(client, call_id, stream, request)
        response = answers[0].response
        self.note(
            key=explain.span(request.key, request.range_end), start=request.start_revision,
            revision=self.store.revision, watch_id=response.watch_id,
        )  # fmt: skip
        if response.cancel_reason:
            self.note(error=response.cancel_reason)
        self._tell(answers)
        self._plan_catch_up()
        if request.progress_notify and not response.canceled:
            number = self.watchers.streams[client, stream]
            self._plan_progress((number, response.watch_id))

    def watch_cancel(
        self, client: str, call_id: int, request: records.WatchCancelRequest, stream: int = 0
    ) -> None:
        """Ends a watch; its last response says that it is cancelled."""
        self.note(watch_id=request.watch_id)
        self._tell(self.watchers.cancel(client, stream, request.watch_id))

    def watch_progress(
        self, client: str, call_id: int, request: records.WatchProgressRequest, stream: int = 0
    ) -> None:
        """How far the watches of a stream are, if all are up to date."""
        self._tell(self.watchers.progress(client, call_id, stream))

    def catch_up(self) -> None:
        """Sends the next batch of history to every watch that is behind."""
        self.catch_up_timer = None
        self._tell(self.watchers.catch_up())
        self._plan_catch_up()

    def notify_progress(self, key: tuple[int, int], last_sent: int) -> None:
        """A watch that asked for it hears where it is, if nothing else was sent for long."""
        watch = self.watchers.watches.get(key)
        if watch is None:
            return
        if watch.synced and self.watchers.sent.get(key, 0) == last_sent:
            response = records.WatchResponse(self.store.header(), key[1])
            self._tell([Answer(watch.client, watch.call_id, response)])
        self._plan_progress(key)

    def watch_for_leader(self) -> None:
        """Who leads has changed: begins or ends the wait after which streams end."""
        if self.raft.leader or self.alone:
            self.cancel(self.leaderless_timer)
            self.leaderless_timer = None
        elif self.leaderless_timer is None:
            self.leaderless_timer = self.after(LEADERLESS_SECONDS, "no_leader", background=True)

    def no_leader(self) -> None:
        """No leader for three election time-outs: streams that need one end."""
        self.leaderless_timer = None
        ended = self.watchers.end_leaderless()
        self.note(watches=len(ended))
        self._tell(ended)

    def disconnect(self, client: str) -> None:
        """A client's connection is closed: its watches are over."""
        self.note(watches=self.watchers.disconnect(client))

    def _tell(self, answers: list[Answer]) -> None:
        """Sends responses to those who watch."""
        woken: dict[str, int] = {}
        for client, call_id, response in answers:
            if response.events:
                woken[client] = woken.get(client, 0) + 1
            self.send(client, "watch_response", call_id, response)
        if woken:
            self.note(woken=woken)

    def _plan_catch_up(self) -> None:
        if self.watchers.unsynced and self.catch_up_timer is None:
            self.catch_up_timer = self.after(self._until_tick(CATCH_UP_SECONDS), "catch_up")

    def _plan_progress(self, key: tuple[int, int]) -> None:
        wait = PROGRESS_SECONDS * (1 + self.chance.random() / 10)
        sent = self.watchers.sent.get(key, 0)
        self.after(wait, "notify_progress", key, sent, background=True)

    def _until_tick(self, period: float, not_before_ns: int = 0) -> float:
        """Seconds to the next beat of a loop that began when we did."""
        period_ns = round(period * SECOND)
        elapsed = max(self.now + 1, not_before_ns) - self.started_ns
        due = self.started_ns + -(-elapsed // period_ns) * period_ns
        return (due - self.now) / SECOND
