"""Sizes as protobuf messages."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kubelab.etcd.arguments import transaction
from kubelab.etcd.records import Event, KeyValue, PutRequest
from kubelab.etcd.sizes import event_size, request_size, size_bound, varint_size


def test_numbers() -> None:
    """Seven bits fit into a byte; a negative number takes ten."""
    assert [varint_size(n) for n in (0, 127, 128, 16383, 16384, -1)] == [1, 1, 2, 2, 3, 10]


def test_known_sizes() -> None:
    """A put of one byte each: two fields with tag and length; an event wraps its pair."""
    assert request_size(PutRequest(b"k", b"v")) == 6
    assert request_size(PutRequest(b"k", b"v" * 200, lease=1)) == 3 + 203 + 2
    assert event_size(Event("PUT", KeyValue(b"k", 2, 2, 1, b"v"))) == 2 + 2 + 12


numbers = st.integers(0, 2**62)
puts = st.fixed_dictionaries(
    {"key": st.binary(max_size=300), "value": st.binary(max_size=300), "lease": numbers}
).map(lambda fields: {"request_put": fields})
compares = st.fixed_dictionaries(
    {"key": st.binary(max_size=300), "mod_revision": numbers, "value": st.binary(max_size=300)}
)
operations = st.recursive(
    puts,
    lambda inner: st.fixed_dictionaries(
        {"compare": st.lists(compares, max_size=2), "success": st.lists(inner, max_size=3)}
    ).map(lambda fields: {"request_txn": fields}),
    max_leaves=5,
)


@given(st.lists(operations, max_size=3), st.lists(compares, max_size=3))
def test_the_bound_holds(operations: list[Any], compare: list[Any]) -> None:
    """The quick bound is never below the size itself."""
    request = transaction(compare, operations)
    assert request_size(request) <= size_bound(request)
