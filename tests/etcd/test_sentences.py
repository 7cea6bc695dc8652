"""Every event of a member has one short sentence."""

from __future__ import annotations

from kubelab.etcd import EtcdCluster, EtcdError
from kubelab.etcd.client import EtcdClient
from kubelab.etcd.member import Member
from kubelab.sim.kernel import Event


def busy() -> EtcdCluster:
    """A store that has done a bit of everything."""
    etcd = EtcdCluster()
    lease = etcd.lease_grant(5).ID
    other = etcd.lease_grant(60).ID
    etcd.put(b"a", b"1", lease=lease)
    etcd.put(b"b", b"1", lease=other)
    etcd.put(b"a", b"2", lease=lease)
    watch = etcd.watch(b"a", b"z", start_revision=2)
    etcd.run(1)
    compare = [{"key": b"a", "target": "MOD", "mod_revision": 9}]
    etcd.txn(compare, [{"request_put": {"key": b"a"}}])
    etcd.txn([], [{"request_put": {"key": b"c"}}, {"request_delete_range": {"key": b"b"}}])
    etcd.delete_range(b"none")
    etcd.lease_keep_alive(lease)
    etcd.lease_keep_alive(1)
    etcd.lease_time_to_live(lease)
    etcd.lease_leases()
    etcd.lease_revoke(other)
    watch.progress()
    watch.cancel()
    etcd.compact(3)
    etcd.snapshot()
    etcd.member_list()
    etcd.status()
    try:
        etcd.range(b"a", revision=2)
    except EtcdError:
        etcd.run(10)
    return etcd


def sentence(event: Event) -> str:
    """The sentence of whoever handled the event."""
    return (Member if event.target == "etcd-1" else EtcdClient).tell(event)


def test_every_event_has_a_short_sentence() -> None:
    """A sentence has at most 30 words, ends with a full stop and has no hole in it."""
    trace = list(busy().trace)
    for event in trace:
        words = sentence(event)
        assert words.endswith("."), words
        assert len(words.split()) <= 30, words
        assert "None" not in words, words
    assert len({event.verb for event in trace if event.target == "etcd-1"}) >= 17


def test_what_they_say() -> None:
    """They name who, what and why."""
    said = [sentence(event) for event in busy().trace if event.target == "etcd-1"]
    for words in (
        "etcd grants you a lease of 5 seconds.",
        "etcd stores new a as revision 2.",
        "etcd sends history to those whose watches are behind: you.",
        "etcd refuses your write because a is at revision 4, not 9.",
        "etcd stores new c and 1 more key as revision 5 and wakes you, who watch it.",
        "etcd finds nothing to delete at none, so no revision is made.",
        "etcd forgets all history before revision 3 because you ask.",
        "etcd deletes a as revision 6 because its lease ran out.",
    ):
        assert words in said, words
