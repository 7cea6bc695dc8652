"""The embedded store beside a real etcd: the same calls, the same answers, the same objects."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from kubelab.etcd import EtcdCluster, EtcdError, records
from kubelab.etcd.arguments import request_of
from kubelab.etcd.external import Gateway, address_of, gateway
from kubelab.etcd.records import Failure
from kubelab.sim.chance import Chance
from tests.etcd.real import real_etcd

pytestmark = pytest.mark.native
SEEDS = 500
OPERATIONS = 12
KEYS = (b"a", b"b", b"ba", b"c", b"d\xff", b"e")


class Random:
    """Random requests of the v3 API, as the fields of keyword arguments."""

    def __init__(self, seed: int) -> None:
        self.chance = Chance(seed, "requests")

    def pick(self, *choices: Any) -> Any:
        """One of them."""
        return self.chance.choice(choices)

    def span(self) -> dict[str, Any]:
        """A key, or a range."""
        return {"key": self.pick(*KEYS), "range_end": self.pick(b"", b"", b"c", b"z", b"\0")}

    def range(self, revision: int) -> dict[str, Any]:
        """A range with any options."""
        near = self.pick(0, 0, revision, revision - 1, revision - 4, revision + 1)
        return {
            **self.span(),
            "revision": near,
            "limit": self.pick(0, 0, 1, 2),
            "sort_order": self.pick("NONE", "NONE", "ASCEND", "DESCEND"),
            "sort_target": self.pick("KEY", "KEY", "VERSION", "CREATE", "MOD", "VALUE"),
            "serializable": self.pick(False, True),
            "keys_only": self.pick(False, False, True),
            "count_only": self.pick(False, False, False, True),
            "min_mod_revision": self.pick(0, 0, 0, revision - 3),
            "max_create_revision": self.pick(0, 0, 0, revision - 2),
        }

    def put(self) -> dict[str, Any]:
        """A put, now and then with options that it must refuse."""
        ignore = self.pick(False, False, False, True)
        value = b"" if ignore and self.chance.below(4) else self.pick(b"1", b"2", b"33")
        lease = self.pick(0, 0, 0, 1, 2, 3, 77)
        fields = {"key": self.pick(*KEYS), "value": value, "ignore_value": ignore, "lease": lease}
        return {**fields, "prev_kv": self.pick(False, True)}

    def delete(self) -> dict[str, Any]:
        """A deletion of a key or a range."""
        end = self.pick(b"", b"", b"", b"c")
        return {"key": self.pick(*KEYS), "range_end": end, "prev_kv": self.pick(False, True)}

    def compare(self, revision: int) -> dict[str, Any]:
        """A comparison."""
        target = self.pick("VERSION", "CREATE", "MOD", "VALUE", "LEASE")
        field = {"CREATE": "create_revision", "MOD": "mod_revision"}.get(target, target.lower())
        value: Any = self.pick(0, 1, 2, revision, revision - 1)
        if target == "VALUE":
            value = self.pick(b"1", b"2", b"33")
        result = self.pick("EQUAL", "EQUAL", "GREATER", "LESS", "NOT_EQUAL")
        return {**self.span(), "target": target, "result": result, field: value}

    def txn(self, revision: int, depth: int = 0) -> dict[str, Any]:
        """A transaction, sometimes with another one within."""
        return {
            "compare": [self.compare(revision) for _ in range(self.chance.below(3))],
            "success": [self.operation(revision, depth) for _ in range(self.chance.below(4))],
            "failure": [self.operation(revision, depth) for _ in range(self.chance.below(3))],
        }

    def operation(self, revision: int, depth: int) -> dict[str, Any]:
        """One operation of a transaction."""
        kind = self.chance.below(7 if depth < 2 else 6)
        if kind < 3:
            return {"request_put": self.put()}
        if kind == 3:
            return {"request_delete_range": self.delete()}
        if kind < 6:
            return {"request_range": self.range(revision)}
        return {"request_txn": self.txn(revision, depth + 1)}

    def lease(self) -> tuple[str, dict[str, Any]]:
        """A call on one of a few leases, which may be there or not."""
        lease = self.pick(1, 2, 3)
        kind = self.pick("grant", "grant", "revoke", "keep_alive", "time_to_live", "leases")
        if kind == "grant":
            # A shorter one would run out while the histories go on.
            return "lease_grant", {"ID": lease, "TTL": self.pick(9000, 90000, 9_000_000_001)}
        if kind == "time_to_live":
            return "lease_time_to_live", {"ID": lease, "keys": self.pick(False, True)}
        return f"lease_{kind}", {} if kind == "leases" else {"ID": lease}

    def call(self, revision: int) -> tuple[str, dict[str, Any]]:
        """A method and its fields."""
        kind = self.chance.below(24)
        if kind >= 20:
            return self.lease()
        if kind < 5:
            return "put", self.put()
        if kind < 10:
            return "range", self.range(revision)
        if kind < 12:
            return "delete_range", self.delete()
        if kind < 19:
            return "txn", self.txn(revision)
        return "compact", {"revision": revision - self.pick(-1, 0, 3, 8)}


def plain(value: Any) -> Any:
    """An answer without what names the server."""
    if isinstance(value, records.ResponseHeader):
        return value.revision
    if isinstance(value, records.LeaseTimeToLiveResponse):
        # The real one's clock runs on, and it lists keys in any order.
        left = "gone" if value.TTL < 0 else "there"
        return (value.header.revision, value.ID, left, value.grantedTTL, sorted(value.keys))
    if isinstance(value, records.LeaseLeasesResponse):
        return (value.header.revision, sorted(value.leases))
    if isinstance(value, tuple) and not isinstance(value, Failure):
        return tuple(map(plain, value))
    return value


def ours(etcd: EtcdCluster, method: str, fields: dict[str, Any]) -> Any:
    """What the embedded store answers."""
    try:
        return plain(etcd._call(method, request_of(method, fields)))
    except EtcdError as error:
        return Failure(error.code, error.message)


def test_random_histories_get_the_same_answers() -> None:
    """Random calls on the embedded store and on a real etcd agree in every field."""
    with real_etcd() as address:
        real, etcd = Gateway(address), EtcdCluster()
        revision = 1
        for seed in range(SEEDS):
            chance = Random(seed)
            for _ in range(OPERATIONS):
                method, fields = chance.call(revision)
                mine = ours(etcd, method, fields)
                theirs = plain(real.call(method, request_of(method, fields)))
                assert mine == theirs, f"seed {seed}: {method}(**{fields})"
                if not isinstance(mine, Failure):
                    revision = mine[0]
        real.close()


def test_a_cluster_keeps_its_objects_in_a_real_etcd() -> None:
    """Objects are the same as with the embedded store, and outlive the cluster that made them."""
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}}
    with real_etcd() as address:
        stores = (None, f"etcd://{address}")
        clusters = [Cluster(nodes=1, seed=3, store=store) for store in stores]
        listed = []
        for cluster in clusters:
            cluster.settle()
            cluster.apply(manifest)
            listed.append(sorted(pod["status"]["phase"] for pod in cluster.list("Pod")))
            assert cluster.why("configmap/web")[0].actor == "you"
        assert listed[0] == listed[1]
        raw = clusters[1].etcd.range(b"/registry/configmaps/default/web")
        theirs = gateway(address).call("range", records.RangeRequest(raw.kvs[0].key))
        assert raw.kvs == theirs.kvs
        with pytest.raises(ValueError, match="cannot be forked"):
            clusters[1].fork()
        again = Cluster(nodes=1, seed=4, store=f"etcd://{address}")
        again.run(5)
        assert again.get("ConfigMap", "web")["metadata"]["name"] == "web"
        gateway(address).close()


def test_what_others_write_is_seen() -> None:
    """A key that another client puts into the etcd reaches our watches within a second."""
    with real_etcd() as address:
        cluster = Cluster(nodes=0, dns=False, store=f"etcd://{address}")
        cluster.settle()
        watch = cluster.etcd.watch(b"other")
        other = Gateway(address)
        other.call("put", records.PutRequest(b"other", b"1"))
        other.close()
        cluster.run(2)
        assert [event.kv.value for event in watch.events] == [b"1"]
        gateway(address).close()


def test_an_address_is_checked() -> None:
    """A store is an address with a scheme and a port."""
    assert address_of("etcd://127.0.0.1:2379") == "127.0.0.1:2379"
    with pytest.raises(ValueError, match="write it as"):
        address_of("127.0.0.1")
