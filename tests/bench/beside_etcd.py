"""`python -m tests.bench.beside_etcd [COUNT]`: the embedded store beside a real etcd, in one run.

Both do the same work, one call after the other: the real one through the client that a cluster uses
for it (its JSON gateway), the embedded one through the calls of `EtcdCluster`. What is measured is
the time that a caller waits, since a server's own CPU time is not to be seen from here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from kubelab.etcd import EtcdCluster, records
from kubelab.etcd.arguments import request_of
from kubelab.etcd.external import Gateway
from kubelab.etcd.records import Failure
from tests.etcd.real import real_etcd

VALUE = b"x" * 1024
USUAL = 2_000

Caller = Callable[[str, dict[str, Any]], Any]


class Row(NamedTuple):
    """How many a second of one kind of work, embedded and real."""

    what: str
    embedded: float
    real: float


def put(number: int) -> tuple[str, dict[str, Any]]:
    """A new key of 1 KiB."""
    return "put", {"key": b"/put/%d" % number, "value": VALUE}


def range_(number: int) -> tuple[str, dict[str, Any]]:
    """A linearizable read of one key."""
    return "range", {"key": b"/put/%d" % number}


def txn(number: int) -> tuple[str, dict[str, Any]]:
    """A write as the API server sends it."""
    key = b"/txn/%d" % number
    compare = [{"key": key, "target": "MOD", "mod_revision": 0}]
    return "txn", {
        "compare": compare,
        "success": [{"request_put": {"key": key, "value": VALUE}}],
    }


def rate(call: Caller, work: Callable[[int], tuple[str, dict[str, Any]]], count: int) -> float:
    """How many calls of a kind a second."""
    begin = time.perf_counter()
    for number in range(count):
        answer = call(*work(number))
        assert not isinstance(answer, Failure), answer
    return count / (time.perf_counter() - begin)


def deliveries_embedded(etcd: EtcdCluster, count: int) -> float:
    """Events a second from a put to its watch, one at a time."""
    watch = etcd.watch(b"/watched")
    begin = time.perf_counter()
    for _ in range(count):
        etcd.put(b"/watched", VALUE)
    seconds = time.perf_counter() - begin
    assert len(watch.events) == count
    watch.cancel()
    return count / seconds


def deliveries_real(real: Gateway, count: int) -> float:
    """The same through the real one's client."""
    request = request_of("put", {"key": b"/watched", "value": VALUE})
    header = real.call("range", records.RangeRequest(b"/watched")).header
    real.open_watch(header.revision)
    seen = len(real.next_events())
    begin = time.perf_counter()
    for number in range(count):
        real.call("put", request)
        while seen <= number:
            seen += len(real.next_events())
    return count / (time.perf_counter() - begin)


def measure(count: int) -> list[Row]:
    """All kinds of work on both."""
    etcd = EtcdCluster()
    with real_etcd() as address:
        real = Gateway(address)
        callers: tuple[Caller, Caller] = (
            lambda method, fields: etcd._call(method, request_of(method, fields)),
            lambda method, fields: real.call(method, request_of(method, fields)),
        )
        rows = [
            Row(what, *(rate(call, work, count) for call in callers))
            for what, work in (("puts", put), ("ranges", range_), ("transactions", txn))
        ]
        delivered = deliveries_embedded(etcd, count), deliveries_real(real, count)
        real.close()
    return [*rows, Row("watch deliveries", *delivered)]


def main(count: int = USUAL) -> None:
    """Prints one table."""
    print(f"{count:,} of each, values of 1 KiB, one caller")
    print(f"{'':18}{'embedded/s':>12}{'real etcd/s':>13}")
    for row in measure(count):
        print(f"{row.what:18}{row.embedded:12,.0f}{row.real:13,.0f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
