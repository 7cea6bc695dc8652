"""One server: calls and answers, the order of what it tells, restarts and lost clients."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.etcd import records
from kubelab.etcd.member import Member
from kubelab.sim.kernel import SECOND, Component, World
from kubelab.sim.tree import freeze


class Caller(Component):
    """A client that remembers what it hears, in order."""

    def __init__(self, name: str = "apiserver-1") -> None:
        super().__init__(name)
        self.heard: list[Any] = []

    def answered(self, call_id: int, result: Any) -> None:
        self.heard.append(("answered", call_id, result))

    def watch_response(self, call_id: int, response: Any) -> None:
        self.heard.append(("watch_response", call_id, response))


class Bench:
    """A member and a caller in a world."""

    def __init__(self) -> None:
        self.world = World()
        self.member = Member("etcd-1")
        self.caller = Caller()
        self.world.add(self.member)
        self.world.add(self.caller)
        self.calls = 0
        self.run(0)

    def run(self, seconds: float) -> None:
        """Handles all events of so many seconds."""
        deadline = self.world.now + round(seconds * SECOND)
        while (due := self.world.next_time()) is not None and due <= deadline:
            self.world.step()
        self.world.now = deadline

    def send(self, verb: str, request: Any) -> int:
        """A call, without waiting for its answer."""
        self.calls += 1
        self.world.send("apiserver-1", "etcd-1", verb, ("apiserver-1", self.calls, request))
        return self.calls

    def call(self, verb: str, request: Any) -> Any:
        """The answer to a call; nothing else must have been heard."""
        call_id = self.send(verb, request)
        self.run(0.01)
        ((what, number, result),) = self.taken()
        assert (what, number) == ("answered", call_id)
        return result

    def taken(self) -> list[Any]:
        """What was heard since the last time."""
        heard, self.caller.heard = self.caller.heard, []
        return heard

    def detail(self, verb: str) -> Any:
        """The detail of the last event with a verb."""
        return next(
            event.detail for event in reversed(list(self.world.trace)) if event.verb == verb
        )


def test_a_watch_hears_before_the_writer() -> None:
    """Watches are told of a revision before its writer hears that it is done."""
    bench = Bench()
    bench.send("watch", records.WatchRequest(b"a"))
    bench.send("put", records.PutRequest(b"a", b"1"))
    bench.run(0.01)
    heard = [(what, call_id) for what, call_id, _ in bench.taken()]
    assert heard == [("watch_response", 1), ("watch_response", 1), ("answered", 2)]


def test_failures_are_answers() -> None:
    """A call that fails is answered with a code and etcd's words."""
    bench = Bench()
    assert bench.call("put", records.PutRequest(b"")) == records.Failure(
        3, "etcdserver: key is not provided"
    )
    assert bench.call("range", records.RangeRequest(b"a", revision=9)).code == 11
    large = records.PutRequest(b"k", b"x" * 1_572_840)
    assert bench.call("put", large) == (3, "etcdserver: request is too large")
    fits = records.PutRequest(b"k", b"x" * 1_572_839)
    assert bench.call("put", fits).header.revision == 2
    huge = bench.call("put", records.PutRequest(b"k", b"x" * 2_100_000))
    assert huge.code == 8


def test_the_trace_explains_a_transaction() -> None:
    """The detail says what was compared, what was found, which revision came, who was woken."""
    bench = Bench()
    obj = freeze({"kind": "Pod"})
    bench.send("watch", records.WatchRequest(b"/registry/pods/", b"/registry/pods0"))
    key = b"/registry/pods/default/web"
    compare = records.Compare(key=key, target="MOD", result="EQUAL", mod_revision=0)
    put = records.RequestOp(request_put=records.PutRequest(key, obj))
    bench.send("txn", records.TxnRequest((compare,), (put,)))
    bench.run(0.01)
    assert bench.detail("txn") == {
        "compare": 'mod("/registry/pods/default/web") = "0"',
        "compared": "/registry/pods/default/web",
        "expected": 0,
        "found": 0,
        "succeeded": True,
        "revision": 2,
        "key": "/registry/pods/default/web",
        "change": "create",
        "woken": {"apiserver-1": 1},
    }
    ((revision, event_id),) = bench.member.written
    assert revision == 2
    event = bench.world.trace[event_id - 1]
    assert Member.tell(event) == (
        "etcd stores new /registry/pods/default/web as revision 2 because no such key existed "
        "and wakes apiserver-1, which watches it."
    )
    bench.taken()
    bench.call("txn", records.TxnRequest((compare,), (put,)))
    assert Member.tell(bench.world.trace[-2]) == (
        "etcd refuses apiserver-1's write because /registry/pods/default/web is at revision 2, "
        "and it should not exist."
    )


def test_the_disk_outlives_a_stop_and_memory_does_not() -> None:
    """After a restart the store is there and the term is new; the watches are gone."""
    bench = Bench()
    bench.send("watch", records.WatchRequest(b"a"))
    bench.send("put", records.PutRequest(b"a", b"1"))
    bench.run(1)
    bench.taken()
    bench.world.halt("etcd-1")
    bench.world.begin("etcd-1")
    bench.run(1)
    response = bench.call("put", records.PutRequest(b"a", b"2"))
    assert (response.header.revision, response.header.raft_term) == (3, 3)


def test_leases_expire_at_a_beat_of_half_a_second() -> None:
    """Keys of a lease vanish within half a second after it ran out; each lease in a revision."""
    bench = Bench()
    for lease in (5, 6):
        bench.call("lease_grant", records.LeaseGrantRequest(3, lease))
        for key in (b"a%d" % lease, b"b%d" % lease):
            bench.call("put", records.PutRequest(key, lease=lease))
    granted = bench.world.now
    bench.run(2.9)
    assert bench.member.store.revision == 5
    bench.run(0.7)
    assert bench.member.store.revision == 7
    assert bench.detail("expire") == {
        "change": "delete", "key": "a6", "keys": ["a6", "b6"], "leases": [5, 6], "revision": 7,
    }  # fmt: skip
    assert bench.world.now - granted < 4 * SECOND
    assert bench.call("range", records.RangeRequest(b"\0", b"\0")).count == 0


def test_no_timer_without_leases() -> None:
    """Where there is no lease nothing is looked for, and a long lease costs no events."""
    bench = Bench()
    before = len(bench.world.trace)
    bench.run(100)
    assert len(bench.world.trace) == before
    bench.call("lease_grant", records.LeaseGrantRequest(3600))
    before = len(bench.world.trace)
    bench.run(3000)
    assert len(bench.world.trace) == before


def test_keep_alive_puts_expiry_off() -> None:
    """A lease that is renewed in time does not run out; TTLs start over when the server does."""
    bench = Bench()
    bench.call("lease_grant", records.LeaseGrantRequest(10, 7))
    for _ in range(5):
        bench.run(8)
        response = bench.call("lease_keep_alive", records.LeaseKeepAliveRequest(7))
        assert response.TTL == 10
    bench.run(8)
    bench.world.halt("etcd-1")
    bench.world.begin("etcd-1")
    bench.run(8)
    assert bench.call("lease_leases", records.LeaseLeasesRequest()).leases == ((7,),)
    bench.run(10)
    assert bench.call("lease_leases", records.LeaseLeasesRequest()).leases == ()


def test_lease_time_to_live() -> None:
    """A lease of 60 has 59 whole seconds left right after; an unknown one has -1."""
    bench = Bench()
    bench.call("lease_grant", records.LeaseGrantRequest(60, 7))
    bench.call("put", records.PutRequest(b"a", lease=7))
    response = bench.call("lease_time_to_live", records.LeaseTimeToLiveRequest(7, True))
    assert (response.TTL, response.grantedTTL, response.keys) == (59, 60, (b"a",))
    response = bench.call("lease_time_to_live", records.LeaseTimeToLiveRequest(8))
    assert (response.TTL, response.grantedTTL) == (-1, 0)


def test_a_chosen_lease_id() -> None:
    """Who asks for no ID gets a positive one, drawn from the member's own stream."""
    bench = Bench()
    response = bench.call("lease_grant", records.LeaseGrantRequest(60))
    assert 0 < response.ID < 1 << 63
    assert Bench().call("lease_grant", records.LeaseGrantRequest(60)) == response


def test_a_watch_from_the_past_comes_at_a_beat() -> None:
    """History is told from a loop that looks every 100 ms."""
    bench = Bench()
    for _ in range(3):
        bench.call("put", records.PutRequest(b"a"))
    bench.send("watch", records.WatchRequest(b"a", start_revision=2))
    bench.run(0.01)
    ((_, _, first),) = bench.taken()
    assert first.created
    bench.run(0.15)
    ((_, _, second),) = bench.taken()
    assert [event.kv.mod_revision for event in second.events] == [2, 3, 4]


def test_progress_is_told_to_quiet_watches() -> None:
    """A watch that asked for it hears where it is after ten minutes without events."""
    bench = Bench()
    bench.send("watch", records.WatchRequest(b"a", progress_notify=True))
    bench.run(661)
    (_, _, created), (_, _, progress) = bench.taken()
    assert created.created
    assert (progress.watch_id, progress.events, progress.header.revision) == (0, (), 1)
    bench.call_put = bench.send("put", records.PutRequest(b"a"))  # type: ignore[attr-defined]
    bench.run(600)
    assert [what for what, _, response in bench.taken() if what == "watch_response"] == [
        "watch_response"
    ]


def test_a_client_that_is_stopped_loses_its_watches() -> None:
    """When a client has gone its watches end at the first message that it does not take."""
    bench = Bench()
    bench.send("watch", records.WatchRequest(b"a"))
    bench.run(0.01)
    bench.world.halt("apiserver-1")
    bench.world.send("you", "etcd-1", "put", ("", 1, records.PutRequest(b"a")))
    bench.run(0.01)
    assert bench.member.watchers.watches == {}


def test_a_broken_connection_ends_a_watch() -> None:
    """A watch whose response was lost is over, and its client hears so when it can be reached."""
    bench = Bench()
    bench.send("watch", records.WatchRequest(b"a"))
    bench.run(0.01)
    bench.world.links.partition(["apiserver-1"], ["etcd-1"])
    bench.world.send("you", "etcd-1", "put", ("", 1, records.PutRequest(b"a")))
    bench.run(15)
    bench.world.links.heal()
    bench.run(15)
    assert bench.member.watchers.watches == {}
    assert [response.canceled for _, _, response in bench.taken()] == [False, True]


def test_status_and_members() -> None:
    """A fresh member leads term 2 at index 4; a member list's header has no revision."""
    bench = Bench()
    status = bench.call("status", records.StatusRequest())
    assert (status.raftTerm, status.raftIndex, status.leader) == (2, 4, status.header.member_id)
    listed = bench.call("member_list", records.MemberListRequest())
    assert [member.name for member in listed.members] == ["etcd-1"]
    assert status.leader == listed.members[0].ID
    assert listed.header.revision == 0


@pytest.mark.parametrize("deletions", [0, 1])
def test_only_what_changes_is_written_down(deletions: int) -> None:
    """`written` has one row for each revision, with the event that made it."""
    bench = Bench()
    bench.call("delete_range", records.DeleteRangeRequest(b"a"))
    for _ in range(deletions):
        bench.call("put", records.PutRequest(b"a"))
        bench.call("delete_range", records.DeleteRangeRequest(b"a"))
    rows = list(bench.member.written)
    assert [revision for revision, _ in rows] == list(range(2, 2 + 2 * deletions))
    for revision, event_id in rows:
        assert bench.world.trace[event_id - 1].detail["revision"] == revision
