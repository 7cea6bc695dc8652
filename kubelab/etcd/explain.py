"""What a member notes about what it did, for the trace: keys, comparisons, revisions.

`described` is told a request and its result and gives the detail that views and sentences read:
names and numbers only, keys as text.

In Kubernetes: nothing like it; etcd logs slow requests only, and kube-apiserver's audit log knows
requests but not what the store compared.
"""

from __future__ import annotations

from typing import Any

from kubelab.etcd import records
from kubelab.etcd.mvcc import Store
from kubelab.etcd.records import Compare, Failure, KeyValue, TxnRequest, encode

SIGNS = {"EQUAL": "=", "NOT_EQUAL": "!=", "GREATER": ">", "LESS": "<"}
TARGETS = {
    "MOD": ("mod", "mod_revision"),
    "VERSION": ("version", "version"),
    "CREATE": ("create", "create_revision"),
    "LEASE": ("lease", "lease"),
    "VALUE": ("value", "value"),
}


def text(key: bytes) -> str:
    """A key as text."""
    return key.decode("utf-8", "replace")


def span(key: bytes, range_end: bytes) -> str:
    """A key, or a range as people write it: `prefix…`, `from … to`."""
    if not range_end:
        return text(key)
    if range_end == b"\0":
        return "every key" if key == b"\0" else f"{text(key)} and all after it"
    if range_end == records.prefix_end(key):
        return f"{text(key)}*"
    return f"{text(key)} to {text(range_end)}"


def comparison(compare: Compare) -> str:
    """A comparison in the words of `etcdctl txn`."""
    name, field = TARGETS[compare.target]
    given: Any = getattr(compare, field)
    if field == "value":
        given = text(encode(given)[:40])
    place = text(compare.key)
    return f'{name}("{place}") {SIGNS[compare.result]} "{given}"'


def found(store: Store, request: TxnRequest) -> dict[str, Any]:
    """What a transaction compares and with which key, as the store is before it."""
    if not request.compare:
        return {}
    first = request.compare[0]
    kv = store.latest.get(first.key)
    detail: dict[str, Any] = {"compare": " and ".join(map(comparison, request.compare))}
    detail["compared"] = text(first.key)
    if first.target == "MOD":
        detail["expected"] = first.mod_revision
        detail["found"] = kv.mod_revision if kv is not None else 0
    return detail


def described(request: Any, result: Any) -> dict[str, Any]:
    """What a call asked for, and what came of it, but for changes."""
    detail: dict[str, Any] = {}
    if hasattr(request, "key"):
        detail["key"] = span(request.key, getattr(request, "range_end", b""))
    if isinstance(result, Failure):
        detail["error"] = result.message
        return detail
    header = getattr(result, "header", None)
    if header is not None:
        detail["revision"] = header.revision
    if isinstance(result, records.RangeResponse):
        detail["count"] = result.count
        if request.revision > 0:
            detail["at"] = request.revision
    elif isinstance(result, records.TxnResponse):
        detail["succeeded"] = result.succeeded
    elif isinstance(result, records.CompactionResponse):
        detail["compacted"] = request.revision
    elif isinstance(result, records.DeleteRangeResponse):
        detail["deleted"] = result.deleted
    elif hasattr(result, "TTL"):
        detail["lease"], detail["ttl"] = result.ID, result.TTL
    return detail


def changed(changes: tuple[KeyValue, ...]) -> dict[str, Any]:
    """What one revision changed: the first key, all keys if there are several, and how."""
    keys = [text(kv.key) for kv in changes]
    detail: dict[str, Any] = {"key": keys[0], "change": change_of(changes[0])}
    if len(keys) > 1:
        detail["keys"] = keys
    return detail


def change_of(kv: KeyValue) -> str:
    """`create`, `update` or `delete`."""
    if not kv.version:
        return "delete"
    return "create" if kv.version == 1 else "update"
