"""The calls of `EtcdCluster` and `c.etcd`, with the names that programs rely on."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from kubelab.etcd import EtcdCluster, EtcdError


@pytest.mark.parametrize("alone", [True, False], ids=["EtcdCluster", "c.etcd"])
def test_every_call_has_its_arguments_and_its_answer(alone: bool) -> None:
    """Keys and values are bytes; answers have the field names of etcd's own API."""
    world: Any = EtcdCluster(members=3, seed=0) if alone else Cluster(nodes=0, dns=False)
    store: Any = world if alone else world.etcd
    lease = store.lease_grant(60)
    put = store.put(b"zz/a", b"1", lease=lease.ID, prev_kv=True)
    assert put.header.revision and put.prev_kv is None
    store.put(b"zz/b", b"2")
    found = store.range(b"zz/", b"zz0", limit=1, sort_order="DESCEND", sort_target="KEY")
    assert [kv.key for kv in found.kvs] == [b"zz/b"]
    assert (found.count, found.more) == (2, True)
    assert store.range(b"zz/a", keys_only=True).kvs[0].value == b""
    assert store.range(b"zz/", b"zz0", count_only=True).count == 2
    assert store.range(b"zz/a", revision=put.header.revision, serializable=True).count == 1
    done = store.txn(
        [{"key": b"zz/a", "target": "VALUE", "result": "EQUAL", "value": b"1"}],
        [{"request_put": {"key": b"zz/c", "value": b"3"}}, {"request_range": {"key": b"zz/c"}}],
        [{"request_delete_range": {"key": b"zz/a"}}],
    )
    assert done.succeeded and len(done.responses) == 2
    watch = store.watch(b"zz/", b"zz0", start_revision=put.header.revision, prev_kv=True)
    gone = store.delete_range(b"zz/b", prev_kv=True)
    assert (gone.deleted, gone.prev_kvs[0].value) == (1, b"2")
    assert store.lease_time_to_live(lease.ID, keys=True).keys == (b"zz/a",)
    assert lease.ID in [row.ID for row in store.lease_leases().leases]
    assert store.lease_keep_alive(lease.ID).TTL == 60
    store.lease_revoke(lease.ID)
    assert store.range(b"zz/a").count == 0
    # What lies in the past is delivered at the store's next round, 100 ms later at most.
    world.run(0.2)
    kinds = [event.type for response in watch.responses for event in response.events]
    assert kinds == ["PUT", "PUT", "PUT", "DELETE", "DELETE"]
    watch.cancel()
    store.compact(gone.header.revision)
    with pytest.raises(EtcdError, match="compacted") as caught:
        store.range(b"zz/a", revision=put.header.revision)
    assert caught.value.code == 11
    assert store.status().dbSize > 0
    assert store.member_list().members
    assert store.snapshot()


def test_members_and_calls_that_do_not_wait() -> None:
    """Names, roles and a member's status; a call that is not waited for, and its error."""
    etcd = EtcdCluster(members=3, seed=0)
    etcd.put(b"a", b"1")
    assert [member.name for member in etcd.members] == ["etcd-1", "etcd-2", "etcd-3"]
    row = etcd.members[0]
    assert row.term >= 1 and row.commit >= 1 and row.log and row.role
    status = etcd.member(etcd.leader).status()
    assert status.leader == status.member_id
    assert status.raft_term and status.raft_index and status.raft_applied_index
    assert status.state and status.commit and status.log
    call = etcd.call("put", member="etcd-2", key=b"b", value=b"2")
    assert not call.done
    assert etcd.run_until(lambda _: call.done, timeout=10)
    assert call.error is None and call.response.header.revision == 3
    followers = [member.name for member in etcd.members if member.name != etcd.leader]
    etcd.faults.stop(*followers)
    lost = etcd.call("put", member=etcd.leader or "etcd-1", key=b"b", value=b"3")
    etcd.run(30)
    assert lost.done and lost.error is not None and lost.error.message.startswith("etcdserver:")
