"""etcd from outside: the calls of its v3 API, and a store of one's own.

`Etcd` is the same on a whole cluster (`c.etcd`) and alone: a call goes in as an event of the user,
and the world moves until the answer is there. `EtcdCluster` is an etcd in a world of its own.

In Kubernetes: go.etcd.io/etcd/client/v3 and etcdctl, which kubeadm's users run in the etcd pod.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from kubelab.etcd import admin, records
from kubelab.etcd.arguments import build, public, request_of, transaction
from kubelab.etcd.client import NAME, EtcdClient
from kubelab.etcd.errors import TIMED_OUT, fail
from kubelab.etcd.faults import EtcdFaults, EtcdSaboteur
from kubelab.etcd.maintenance import QUOTA_BYTES
from kubelab.etcd.member import Member
from kubelab.etcd.past import Alone
from kubelab.etcd.records import EtcdError, Failure, WatchResponse
from kubelab.etcd.seen import MemberSeen, best, leader_of, seen
from kubelab.sim.history import History
from kubelab.sim.kernel import SECOND, Event, World, to_datetime
from kubelab.sim.log import Log

# A call waits so long for its answer.
PATIENCE_NS = 15 * SECOND


class Etcd:
    """The v3 API of a store, as served by one member; fields have etcd's names."""

    def __init__(self, history: History, member: str = "") -> None:
        self.history = history
        self._member = member
        if NAME not in history.world.components:
            history.world.add(EtcdClient())

    @property
    def name(self) -> str:
        """The member that is asked: the one given, else the leader, else one that runs."""
        return self._member or best(self.history.world)

    @property
    def _client(self) -> EtcdClient:
        client = self.history.world.components[NAME]
        assert isinstance(client, EtcdClient)
        return client

    def _send(self, method: str, request: Any, *extra: Any, member: str = "") -> int:
        """Puts a call into the world; returns its number."""
        call_id = self._client.last_call + 1
        member = member or self.name
        seq = self.history.inject(NAME, "call", call_id, member, method, request, *extra)
        while self.history.world.handled != seq:
            self.history.step()
        return call_id

    def _call(self, method: str, request: Any) -> Any:
        """The answer to a call. Raises EtcdError."""
        call_id = self._send(method, request)
        self._wait(lambda: call_id in self._client.answers)
        result = self._client.answers.pop(call_id)
        if isinstance(result, Failure):
            raise EtcdError(result.code, result.message)
        return public(result)

    def _wait(self, done: Callable[[], bool]) -> None:
        """Moves the world on until something holds."""
        deadline = self.history.world.now + PATIENCE_NS
        while not done():
            due = self.history.world.next_time()
            if due is None or due > deadline:
                fail(TIMED_OUT)
            self.history.step()

    # Keys.

    def range(self, key: bytes, range_end: bytes | None = None, **fields: Any) -> Any:
        """The pairs of a key or range: `.kvs`, `.count`, `.more`, `.header`. Raises EtcdError."""
        request = build(records.RangeRequest, {"key": key, "range_end": range_end, **fields})
        return self._call("range", request)

    def put(self, key: bytes, value: bytes = b"", lease: int = 0, **fields: Any) -> Any:
        """Sets a key; with prev_kv=True `.prev_kv` is the pair before. Raises EtcdError."""
        request = build(records.PutRequest, {"key": key, "value": value, "lease": lease, **fields})
        return self._call("put", request)

    def delete_range(self, key: bytes, range_end: bytes | None = None, **fields: Any) -> Any:
        """Deletes a key or range; `.deleted` is how many. Raises EtcdError."""
        fields = {"key": key, "range_end": range_end, **fields}
        return self._call("delete_range", build(records.DeleteRangeRequest, fields))

    def txn(
        self, compare: Iterable[Any] = (), success: Iterable[Any] = (), failure: Iterable[Any] = ()
    ) -> Any:
        """A transaction, written as dicts; `.succeeded` and `.responses`. Raises EtcdError."""
        return self._call("txn", transaction(compare, success, failure))

    def compact(self, revision: int, physical: bool = False) -> Any:
        """Gives up the history before a revision. Raises EtcdError."""
        return self._call("compact", records.CompactionRequest(revision, physical))

    # Watches.

    def watch(self, key: bytes, range_end: bytes | None = None, **fields: Any) -> Watch:
        """Begins a watch; what it hears gathers in `.responses`. Each has a stream of its own.

        With `require_leader=True` it ends with `no leader` when its member has known none for long.
        """
        return self._watch({"key": key, "range_end": range_end, **fields}, None)

    def _watch(self, fields: dict[str, Any], stream: int | None) -> Watch:
        required = bool(fields.pop("require_leader", False))
        request = build(records.WatchRequest, fields)
        number = self._client.last_call + 1 if stream is None else stream
        member = self.name
        call_id = self._send("watch", request, number, required, member=member)
        client = self._client
        self._wait(lambda: bool(client.streams[call_id]) or call_id in client.answers)
        failure = client.answers.pop(call_id, None)
        if failure is not None:
            raise EtcdError(*failure)
        return Watch(self, call_id, number, member)

    # Leases.

    def lease_grant(self, ttl: int, ID: int = 0) -> Any:
        """A new lease: `.ID` and `.TTL` in seconds. Raises EtcdError."""
        return self._call("lease_grant", records.LeaseGrantRequest(ttl, ID))

    def lease_revoke(self, id: int) -> Any:
        """Ends a lease and deletes its keys. Raises EtcdError."""
        return self._call("lease_revoke", records.LeaseRevokeRequest(id))

    def lease_keep_alive(self, id: int) -> Any:
        """Gives a lease its full time again; `.TTL` is 0 if it is gone."""
        return self._call("lease_keep_alive", records.LeaseKeepAliveRequest(id))

    def lease_time_to_live(self, id: int, keys: bool = False) -> Any:
        """How long a lease has left, and which keys hang on it."""
        return self._call("lease_time_to_live", records.LeaseTimeToLiveRequest(id, keys))

    def lease_leases(self) -> Any:
        """All leases."""
        return self._call("lease_leases", records.LeaseLeasesRequest())

    # The members.

    def status(self) -> Any:
        """How the member is."""
        return self._call("status", records.StatusRequest())

    def member_list(self, linearizable: bool = True) -> Any:
        """Who belongs to the cluster."""
        return self._call("member_list", records.MemberListRequest(linearizable))

    def member_add(self, peerURLs: Iterable[str], isLearner: bool = False) -> Any:
        """Takes a member in; its name is the host of its address. Raises EtcdError."""
        urls = (peerURLs,) if isinstance(peerURLs, str) else tuple(peerURLs)
        return self._call("member_add", admin.MemberAddRequest(urls, isLearner))

    def member_remove(self, ID: int) -> Any:
        """Takes a member out. Raises EtcdError."""
        return self._call("member_remove", admin.MemberRemoveRequest(ID))

    def member_promote(self, ID: int) -> Any:
        """Lets a learner vote. Raises EtcdError."""
        return self._call("member_promote", admin.MemberPromoteRequest(ID))

    def move_leader(self, targetID: int) -> Any:
        """Hands the leadership over; only the leader can. Raises EtcdError."""
        return self._call("move_leader", admin.MoveLeaderRequest(targetID))

    def alarm(self, action: str = "GET", memberID: int = 0, alarm: str = "NONE") -> Any:
        """Tells of alarms, raises or ends them."""
        fields = {"action": action, "memberID": memberID, "alarm": alarm}
        return self._call("alarm", build(admin.AlarmRequest, fields))

    def hash_kv(self, revision: int = 0) -> Any:
        """A checksum that is the same on every member. Raises EtcdError."""
        return self._call("hash_kv", admin.HashKVRequest(revision))

    def defragment(self) -> Any:
        """Gives back the space that nothing uses any more."""
        return self._call("defragment", admin.DefragmentRequest())

    def snapshot(self) -> Any:
        """The whole store as bytes, in `.blob`."""
        return self._call("snapshot", records.SnapshotRequest())

    def call(self, method: str, member: str = "", **fields: Any) -> Call:
        """A call that does not wait; its answer comes as the world moves on."""
        return Call(self, method, self._send(method, request_of(method, fields), member=member))


class Call:
    """A call under way: `.done`, then `.response` or `.error`."""

    def __init__(self, etcd: Etcd, method: str, call_id: int) -> None:
        self._etcd = etcd
        self.method = method
        self.call_id = call_id

    @property
    def _result(self) -> Any:
        return self._etcd._client.answers.get(self.call_id)

    @property
    def done(self) -> bool:
        """Whether the answer is there."""
        return self.call_id in self._etcd._client.answers

    @property
    def response(self) -> Any:
        """The response; None while there is none, and if the call failed."""
        result = self._result
        return None if isinstance(result, Failure) else public(result)

    @property
    def error(self) -> EtcdError | None:
        """Why the call failed, or None."""
        result = self._result
        return EtcdError(*result) if isinstance(result, Failure) else None

    def __repr__(self) -> str:
        state = "under way" if not self.done else str(self.error or "done")
        return f"<{self.method}: {state}>"


class Watch:
    """An open watch: `.responses` are etcd's WatchResponses so far."""

    def __init__(self, etcd: Etcd, call_id: int, stream: int, member: str) -> None:
        self._etcd = etcd
        self._member = member
        self._call_id = call_id
        self._stream = stream

    @property
    def responses(self) -> list[WatchResponse]:
        """All responses so far; the first says that the watch was created."""
        return [public(response) for response in self._heard()]

    def _heard(self) -> list[WatchResponse]:
        return self._etcd._client.streams.get(self._call_id, [])

    @property
    def events(self) -> list[records.Event]:
        """All events so far."""
        return [event for response in self.responses for event in response.events]

    @property
    def watch_id(self) -> int:
        """Its number in its stream; -1 if it was refused."""
        heard = self._heard()
        return heard[0].watch_id if heard else -1

    def watch(self, key: bytes, range_end: bytes | None = None, **fields: Any) -> Watch:
        """Another watch in the same stream."""
        fields = {"key": key, "range_end": range_end, **fields}
        return self._etcd._watch(fields, self._stream)

    def progress(self) -> None:
        """Asks how far the stream is; the answer comes as a response with watch_id -1."""
        request = records.WatchProgressRequest()
        self._side_call("watch_progress", request)

    def cancel(self) -> None:
        """Ends the watch and waits until the server has said so."""
        heard = self._heard()
        if not heard or heard[-1].canceled:
            return
        self._side_call("watch_cancel", records.WatchCancelRequest(heard[0].watch_id))
        self._etcd._wait(lambda: self._heard()[-1].canceled)

    def _side_call(self, method: str, request: Any) -> None:
        """A call on the stream, answered among the responses of this watch."""
        etcd = self._etcd
        extra = (method, request, self._stream)
        seq = etcd.history.inject(NAME, "call", self._call_id, self._member, *extra)
        while etcd.history.world.handled != seq:
            etcd.history.step()

    def __repr__(self) -> str:
        return f"<watch {self.watch_id}: {len(self.events)} events>"


class EtcdCluster(Alone, Etcd):
    """An etcd alone, of 1 to 7 members, in a world of its own; it moves only when told to.

    `snapshot` is the `.blob` of another one to begin with; `quota_bytes` is how large the database
    may become.
    """

    def __init__(
        self,
        members: int = 1,
        seed: int | str = 0,
        *,
        snapshot: bytes | None = None,
        quota_bytes: int = QUOTA_BYTES,
    ) -> None:
        if isinstance(members, bool) or not isinstance(members, int) or not 1 <= members <= 7:
            raise ValueError(f"members={members!r}: give a number from 1 to 7")
        world = World(seed)
        names = tuple(f"etcd-{number}" for number in range(1, members + 1))
        for name in names:
            member = Member(name, members=names, quota_bytes=quota_bytes)
            if snapshot is not None:
                member.restore(snapshot)
            world.add(member)
        world.add(EtcdSaboteur())
        super().__init__(History(world))
        for _ in (*names, "faults", NAME):
            self.history.step()
        self.faults = EtcdFaults(self)

    @property
    def trace(self) -> Log[Event]:
        """All events so far."""
        return self.history.world.trace

    @property
    def now(self) -> datetime:
        """Virtual time, UTC."""
        return to_datetime(self.history.world.now)

    @property
    def leader(self) -> str | None:
        """The name of the member that leads in the newest term, or None."""
        return leader_of(self.history.world)

    @property
    def members(self) -> list[MemberSeen]:
        """How each member is: name, role, term, commit index, log."""
        return seen(self.history.world)

    def member(self, name: str) -> Etcd:
        """The same calls, served by one member. Raises ValueError for one that there is not."""
        if not isinstance(self.history.world.components.get(name), Member):
            known = ", ".join(member.name for member in self.members)
            raise ValueError(f"there is no member {name!r}; there is {known}")
        return Etcd(self.history, name)

    def tell(self, event: int | Event) -> str:
        """One plain sentence about an event."""
        if not isinstance(event, Event):
            event = self.trace[event - 1]
        if event.detail.get("refused"):
            return f"{event.target} does not answer {event.actor}: it is stopped."
        return self.history.world.components[event.target].tell(event)

    def step(self, n: int = 1) -> list[Event]:
        """Handles the next `n` events and returns them."""
        events = (self.history.step() for _ in range(n))
        return [event for event in events if event is not None]

    def run(self, seconds: float) -> None:
        """Runs for so many virtual seconds."""
        self.history.run(seconds)

    def run_until(self, condition: Callable[[Any], Any], timeout: float = 300) -> bool:
        """Runs until a condition of the cluster holds; False if it does not in time."""
        return self.history.run_until(lambda: bool(condition(self)), timeout)

    def settle(self, timeout: float = 300) -> bool:
        """Runs until nothing but periodic timers is due soon."""
        return self.history.settle(timeout)

    def rewind(self, event: int | Event) -> None:
        """Goes back to just after an event."""
        self.history.rewind(event.id if isinstance(event, Event) else event)

    def fork(self) -> EtcdCluster:
        """An independent copy from here on."""
        twin = type(self).__new__(type(self))
        Etcd.__init__(twin, self.history.fork())
        twin.faults = EtcdFaults(twin)
        return twin
