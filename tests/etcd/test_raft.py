"""Several members: who leads, what is agreed on, what happens without a majority."""

from __future__ import annotations

import pytest

from kubelab.etcd import EtcdCluster, EtcdError
from kubelab.etcd.cluster import Call


def elected(members: int = 3, seed: int = 0) -> EtcdCluster:
    """A cluster that has a leader."""
    etcd = EtcdCluster(members, seed)
    assert etcd.run_until(lambda c: c.leader is not None, 10)
    etcd.run(1)
    return etcd


def others(etcd: EtcdCluster) -> list[str]:
    """The members that do not lead."""
    return [member.name for member in etcd.members if member.name != etcd.leader]


def test_the_first_leader_has_term_2_and_eight_entries() -> None:
    """Entries of a first start with three members: 3 members, 1 empty, 3 names, 1 version."""
    etcd = elected()
    status = etcd.status()
    assert (status.raft_term, status.raft_index, status.raft_applied_index) == (2, 8, 8)
    assert status.leader == status.member_id
    assert {member.role for member in etcd.members} == {"leader", "follower"}
    assert etcd.range(b"a").header.revision == 1


@pytest.mark.parametrize("members", [1, 2, 3, 5, 7])
def test_every_member_holds_what_was_written(members: int) -> None:
    """A write reaches all members as the same revision, whoever was asked."""
    etcd = elected(members)
    for number, member in enumerate(etcd.members):
        assert etcd.member(member.name).put(b"k", b"%d" % number).header.revision == number + 2
    etcd.run(0.5)
    for member in etcd.members:
        response = etcd.member(member.name).range(b"k", serializable=True)
        assert response.kvs[0].value == b"%d" % (members - 1)
    assert len({etcd.member(member.name).hash_kv().hash for member in etcd.members}) == 1


def test_a_killed_leader_is_replaced_within_seconds() -> None:
    """Followers hear nothing for an election time-out, then elect; what was written stays."""
    etcd = elected()
    etcd.put(b"k", b"1")
    old, began = etcd.leader, etcd.now
    assert old
    etcd.faults.stop(old)
    assert etcd.run_until(lambda c: c.leader is not None, 10)
    assert 0.9 < (etcd.now - began).total_seconds() < 3
    assert etcd.range(b"k").kvs[0].value == b"1"
    etcd.faults.start(old)
    etcd.run(1)
    assert etcd.member(old).status().state == "follower"


def test_a_minority_accepts_a_write_and_loses_it() -> None:
    """Cut 2 | 3 with the leader in the 2: its entry is never agreed on, and replaced later."""
    etcd = elected(5)
    old = etcd.leader
    assert old
    few = [old, others(etcd)[0]]
    many = [name for name in others(etcd) if name not in few]
    etcd.faults.partition(few, many)
    call = etcd.call("put", old, key=b"k", value=b"lost")
    assert etcd.run_until(lambda c: c.leader in many, 3)
    etcd.run(7)
    assert str(call.error) == "etcdserver: request timed out"
    assert etcd.put(b"k", b"kept").header.revision == 2
    index = next(m.commit for m in etcd.members if m.name == old) + 1
    etcd.faults.heal()
    etcd.run(2)
    assert etcd.member(old).range(b"k", serializable=True).kvs[0].value == b"kept"
    replaced = next(e for e in etcd.trace if "overwritten" in e.detail)
    assert replaced.detail["overwritten"][0] == index
    assert "because no majority had agreed" in etcd.tell(replaced)


def test_without_a_quorum_only_old_reads_are_answered() -> None:
    """Two of three stopped: writes and reads time out after 7 s, serializable reads go on."""
    etcd = elected()
    etcd.put(b"k", b"1")
    left = str(etcd.leader)
    etcd.faults.stop(*others(etcd))
    began = etcd.now
    for attempt in (lambda: etcd.put(b"k", b"2"), lambda: etcd.range(b"k")):
        with pytest.raises(EtcdError, match="etcdserver: request timed out") as caught:
            attempt()
        assert caught.value.code == 14
    assert (etcd.now - began).total_seconds() == pytest.approx(14, abs=0.1)
    assert etcd.range(b"k", serializable=True).kvs[0].value == b"1"
    assert etcd.member(left).status().leader == 0
    etcd.faults.start(*[m.name for m in etcd.members if not m.running])
    etcd.run(4)
    # A write that timed out may take effect all the same.
    assert etcd.range(b"k").kvs[0].value in (b"1", b"2")


def test_a_member_that_was_cut_off_disturbs_nobody() -> None:
    """Pre-vote: alone, a member's term does not grow; coming back, it just follows."""
    etcd = elected()
    leader, cut = etcd.leader, others(etcd)[0]
    etcd.faults.partition([cut], [m.name for m in etcd.members if m.name != cut])
    etcd.run(20)
    assert next(m.term for m in etcd.members if m.name == cut) == 2
    etcd.faults.heal()
    etcd.run(3)
    assert etcd.leader == leader
    assert etcd.status().raft_term == 2


def test_a_laggard_gets_a_snapshot() -> None:
    """What was cut from the log reaches a member as a whole; its watch misses nothing."""
    etcd = elected()
    slow = others(etcd)[0]
    watch = etcd.member(slow).watch(b"k")
    etcd.faults.partition([slow], [m.name for m in etcd.members if m.name != slow])
    for number in range(400):
        etcd.put(b"k", b"%d" % number)
    etcd.faults.heal()
    etcd.run(3)
    assert any(e.verb == "install_snapshot" and "installed" in e.detail for e in etcd.trace)
    assert etcd.member(slow).range(b"k", serializable=True).kvs[0].value == b"399"
    assert [event.kv.mod_revision for event in watch.events] == list(range(2, 402))


def test_members_come_and_go() -> None:
    """A learner catches up, is promoted, votes; a removed member stops."""
    etcd = elected()
    added = etcd.member_add(["http://etcd-4:2380"], isLearner=True).member
    with pytest.raises(EtcdError, match="can only promote a learner member which is in sync"):
        etcd.member_promote(added.ID)
    with pytest.raises(EtcdError, match="too many learner members"):
        etcd.member_add(["http://etcd-5:2380"], isLearner=True)
    etcd.faults.start("etcd-4")
    etcd.run(2)
    assert etcd.member("etcd-4").status().isLearner
    with pytest.raises(EtcdError, match="rpc not supported for learner"):
        etcd.member("etcd-4").put(b"k", b"1")
    assert not etcd.member_promote(added.ID).members[0].isLearner
    etcd.run(1)
    assert etcd.member("etcd-4").put(b"k", b"1").header.revision == 2
    gone = others(etcd)[0]
    number = next(m.ID for m in etcd.member_list().members if m.name == gone)
    assert len(etcd.member_remove(number).members) == 3
    etcd.run(1)
    assert not next(m.running for m in etcd.members if m.name == gone)
    with pytest.raises(EtcdError, match="etcdserver: member not found"):
        etcd.member_remove(number)


def test_the_leader_hands_over() -> None:
    """Only the leader can; then another leads at once, in the next term."""
    etcd = elected()
    target = others(etcd)[0]
    number = etcd.member(target).status().member_id
    with pytest.raises(EtcdError, match="etcdserver: not leader"):
        etcd.member(target).move_leader(number)
    etcd.move_leader(number)
    assert etcd.leader == target
    assert etcd.status().raft_term == 3


def test_leases_live_through_a_change_of_leaders() -> None:
    """A new leader gives every lease its full time again; then it ends on all members."""
    etcd = elected()
    lease = etcd.lease_grant(5).ID
    etcd.put(b"k", b"1", lease=lease)
    etcd.run(3)
    assert etcd.member(others(etcd)[0]).lease_keep_alive(lease).TTL == 5
    etcd.run(3)
    etcd.faults.stop(str(etcd.leader))
    etcd.run_until(lambda c: c.leader is not None, 10)
    etcd.run(4)
    assert etcd.range(b"k").count == 1
    etcd.run(4)
    assert etcd.range(b"k").count == 0


def test_a_full_database_raises_an_alarm() -> None:
    """Puts are refused until the space is there again and the alarm is ended by hand."""
    etcd = EtcdCluster(quota_bytes=100_000)
    with pytest.raises(EtcdError, match="etcdserver: mvcc: database space exceeded"):
        for number in range(100):
            etcd.put(b"k", b"x" * 5000 + b"%d" % number)
    with pytest.raises(EtcdError, match="database space exceeded"):
        etcd.put(b"small", b"")
    assert "alarm:NOSPACE" in etcd.status().errors[0]
    etcd.compact(etcd.range(b"k").header.revision)
    etcd.defragment()
    with pytest.raises(EtcdError, match="database space exceeded"):
        etcd.put(b"small", b"")
    assert etcd.alarm("DEACTIVATE", 0, "NOSPACE").alarms
    assert etcd.put(b"small", b"").header.revision > 1


def test_a_saved_snapshot_begins_another_cluster() -> None:
    """A snapshot of one cluster is what another of three members begins with."""
    first = EtcdCluster()
    first.put(b"k", b"1")
    second = EtcdCluster(3, snapshot=first.snapshot().blob)
    assert second.range(b"k").kvs[0].value == b"1"
    assert second.put(b"k", b"2").header.revision == 3


def test_calls_that_do_not_wait() -> None:
    """A call is done only when the world has moved on to its answer."""
    etcd = elected()
    call = etcd.call("put", key=b"k", value=b"1")
    assert isinstance(call, Call) and not call.done and call.response is None
    etcd.run(1)
    assert call.done and call.error is None and call.response.header.revision == 2


def test_every_event_has_a_plain_sentence() -> None:
    """Messages and timers of Raft are told in short sentences with no gaps."""
    etcd = elected(seed=3)
    etcd.put(b"k", b"1")
    etcd.faults.stop(str(etcd.leader))
    etcd.run(5)
    etcd.range(b"k")
    for event in etcd.trace:
        sentence = etcd.tell(event)
        assert sentence.endswith(".") and "None" not in sentence, (event, sentence)
        assert len(sentence.split()) <= 30, sentence


def test_a_watch_that_needs_a_leader_ends_without_one() -> None:
    """Three seconds after its leader went silent it ends; one that does not ask just goes quiet."""
    etcd = EtcdCluster(3)
    etcd.put(b"a")
    lonely = etcd.leader
    assert lonely is not None
    member = etcd.member(lonely)
    strict, calm = member.watch(b"a", require_leader=True), member.watch(b"a")
    etcd.faults.partition([lonely], [m.name for m in etcd.members if m.name != lonely])
    etcd.run(2)
    assert not strict.responses[-1].canceled
    etcd.run(4)
    last = strict.responses[-1]
    assert last.canceled
    assert last.cancel_reason == "etcdserver: no leader"
    ending = [event for event in etcd.trace if event.verb == "no_leader"]
    assert etcd.tell(ending[0]) == (
        f"{lonely} has known no leader for three seconds, so it ends 1 watch that needs one."
    )
    assert not calm.responses[-1].canceled
    with pytest.raises(EtcdError, match="etcdserver: no leader"):
        member.watch(b"a", require_leader=True)
    etcd.faults.heal()
    etcd.run(5)
    etcd.put(b"a", b"2")
    etcd.run(1)
    assert calm.events[-1].kv.value == b"2"
