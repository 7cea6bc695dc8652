"""How fast the store is: puts, reads and the API server's kind of transaction, by one caller.

What the real one does through its Python client on the same machine is in the marks: some 1,000
puts and 1,800 reads a second of one client.
"""

from __future__ import annotations

from kubelab.etcd import EtcdCluster
from tests.bench.harness import Result, sizes, stopwatch, trace_digest

VALUE = b"x" * 1024


@sizes("writes", small=20, usual=(2_000,), full=(10_000,), marks={2_000: 2.0, 10_000: 10.0})
def bench_etcd_txn(writes: int) -> Result:
    """Transactions as the API server sends them, each with one comparison and one put."""
    etcd = EtcdCluster()
    with stopwatch() as watch:
        for number in range(writes):
            key = b"/registry/pods/default/%d" % number
            etcd.txn(
                [{"key": key, "target": "MOD", "mod_revision": 0}],
                [{"request_put": {"key": key, "value": VALUE}}],
            )
    return Result(writes, "txns", watch.seconds, trace_digest(etcd.trace))


@sizes("reads", small=20, usual=(2_000,), full=(10_000,), marks={2_000: 1.2, 10_000: 6.0})
def bench_etcd_range(reads: int) -> Result:
    """Linearizable reads of one key."""
    etcd = EtcdCluster()
    etcd.put(b"k", VALUE)
    with stopwatch() as watch:
        for _ in range(reads):
            etcd.range(b"k")
    return Result(reads, "ranges", watch.seconds, trace_digest(etcd.trace))


@sizes("writes", small=20, usual=(1_000,), full=(5_000,), marks={1_000: 3.0, 5_000: 15.0})
def bench_etcd_raft(writes: int) -> Result:
    """Puts that three members agree on."""
    etcd = EtcdCluster(3)
    etcd.put(b"k", VALUE)
    with stopwatch() as watch:
        for _ in range(writes):
            etcd.put(b"k", VALUE)
    return Result(writes, "puts", watch.seconds, trace_digest(etcd.trace))
