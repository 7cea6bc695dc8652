"""A real etcd as the store of a cluster: `Cluster(store="etcd://127.0.0.1:2379")`.

`External` stands where the embedded member stands and passes every call on to a running server,
through its JSON gateway. One watch on all keys fills a mirror of the server's keys, from which our
own watches are told and the past is read; so what others write there is seen too, within a second.
The server lives in real time: its leases run out by its own clock, and it cannot be rewound.

In Kubernetes: go.etcd.io/etcd/client/v3, as kube-apiserver uses it.
"""

from __future__ import annotations

import http.client
import json
from functools import cache
from typing import Any

from kubelab.etcd import explain, records, snapshot
from kubelab.etcd.entries import Entry
from kubelab.etcd.gateway import METHODS, from_json, to_json
from kubelab.etcd.member import Member
from kubelab.etcd.records import Failure

POLL_SECONDS = 1
PATIENCE_SECONDS = 10
EVERYTHING = {"key": "AA==", "range_end": "AA=="}


class Gateway:
    """The connections to one server: one for calls, one for the watch on everything."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.calls = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
        self.watch: http.client.HTTPResponse | None = None
        self.watching: http.client.HTTPConnection | None = None

    def call(self, method: str, request: Any) -> Any:
        """The server's answer, or the failure that it ends in."""
        path, kind = METHODS[method]
        status, data = self._post(path, to_json(request))
        if status != 200:
            return Failure(data.get("code", 2), data.get("message") or data.get("error", ""))
        return from_json(kind, data.get("result", data))

    def _post(self, path: str, body: Any) -> tuple[int, Any]:
        try:
            self.calls.request("POST", path, json.dumps(body))
            response = self.calls.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            self.calls.close()
            return 503, {"code": 14, "message": f"connection error: {error}"}

    def open_watch(self, revision: int) -> None:
        """Begins the watch on everything after a revision."""
        self.close()
        self.watching = http.client.HTTPConnection(self.address, timeout=PATIENCE_SECONDS)
        create = {"create_request": {**EVERYTHING, "start_revision": str(revision + 1)}}
        self.watching.request("POST", "/v3/watch", json.dumps(create))
        self.watch = self.watching.getresponse()

    def close(self) -> None:
        """Ends all connections; a call opens its own again."""
        for connection in (self.watch, self.watching, self.calls):
            if connection is not None:
                connection.close()

    def next_events(self) -> tuple[records.Event, ...]:
        """The events of the watch's next response; waits for it."""
        assert self.watch is not None
        data = json.loads(self.watch.readline())
        response: records.WatchResponse = from_json(records.WatchResponse, data["result"])
        return response.events


@cache
def gateway(address: str) -> Gateway:
    """The connections to a server; no part of a world, which could not be copied with them."""
    return Gateway(address)


def address_of(store: str) -> str:
    """The address in `etcd://HOST:PORT`. Raises ValueError."""
    scheme, found, address = store.partition("://")
    if scheme != "etcd" or not found or not address.rpartition(":")[2].isdigit():
        raise ValueError(f"store={store!r}: write it as 'etcd://127.0.0.1:2379'")
    return address


class External(Member):
    """Stands for a member of the real etcd."""

    def __init__(self, name: str, store: str) -> None:
        super().__init__(name)
        self.address = address_of(store)

    def start(self) -> None:
        """Reads everything that is there, and watches it from then on."""
        everything = records.RangeRequest(b"\0", b"\0")
        response = gateway(self.address).call("range", everything)
        if isinstance(response, Failure):
            raise ConnectionError(f"no etcd answers at {self.address}: {response.message}")
        header = response.header
        kept = tuple(sorted(response.kvs, key=lambda kv: kv.mod_revision))
        self.store = snapshot.restored(snapshot.Image(header.revision, -1, kept, ()))
        # What was before is not known here.
        self.store.compacted = header.revision
        self.store.cluster_id, self.store.member_id = header.cluster_id, header.member_id
        gateway(self.address).open_watch(header.revision)
        super().start()
        self.store.raft_term = header.raft_term
        self.after(POLL_SECONDS, "poll", background=True)

    def publish(self) -> None:
        """The real members have told each other."""

    def lacks_space(self, entry: Entry) -> Failure | None:
        """The server itself looks at its space."""
        return None

    def poll(self) -> None:
        """Has somebody else written?"""
        probe = records.RangeRequest(b"\0", b"", count_only=True, serializable=True)
        response = gateway(self.address).call("range", probe)
        if not isinstance(response, Failure):
            self.catch_mirror(response.header.revision)
        self.after(POLL_SECONDS, "poll", background=True)

    def apply_write(self, entry: Entry) -> None:
        """Has the server do it, takes over what that changed, tells the watches."""
        before = self.store.revision
        if entry.method == "txn":
            self.note(**explain.found(self.store, entry.request))
        result = self._tried(entry.method, entry.request)
        if not isinstance(result, Failure):
            self.catch_mirror(result.header.revision)
        self.answer_applied(entry.client, entry.call_id, entry.request, result)
        if self.store.revision != before:
            self.note(**explain.changed(self.store.changes_at(self.store.revision)))

    def _tried(self, method: str, request: Any) -> Any:
        return gateway(self.address).call(method, request)

    def _of_lease(self, method: str, request: Any) -> Any:
        return self._tried(method, request)

    def lease_leases(self, client: str, call_id: int, request: records.LeaseLeasesRequest) -> None:
        """All leases, as the server lists them."""
        self.answer(client, call_id, request, self._tried("lease_leases", request))

    def catch_mirror(self, revision: int) -> None:
        """Takes over the server's changes up to a revision, one revision at a time."""
        store = self.store
        while store.revision < revision:
            changes: dict[int, list[records.KeyValue]] = {}
            for event in gateway(self.address).next_events():
                changes.setdefault(event.kv.mod_revision, []).append(event.kv)
            for number in sorted(changes):
                store.commit(changes[number])
                assert store.revision == number, "the watch has a gap"
                assert self.world.current is not None
                self.written.append((number, self.world.current))
                self._tell(self.watchers.notify())
