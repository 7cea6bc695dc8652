"""Watches of the embedded store beside those of a real etcd: the same responses, in every field."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from kubelab.etcd import EtcdCluster, records
from kubelab.etcd.arguments import build, request_of
from kubelab.etcd.external import Gateway
from kubelab.etcd.gateway import from_json, to_json
from kubelab.etcd.records import Failure
from tests.etcd.real import real_etcd
from tests.etcd.test_real import Random, ours, plain

pytestmark = pytest.mark.native
SEEDS = 500
OPERATIONS = 8
PATIENCE_SECONDS = 5


class RealWatch:
    """A watch on a real etcd, with a connection and so a stream of its own."""

    def __init__(self, address: str, fields: dict[str, Any]) -> None:
        request = to_json(build(records.WatchRequest, fields))
        self.connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
        self.connection.request("POST", "/v3/watch", json.dumps({"create_request": request}))
        self.stream = self.connection.getresponse()

    def response(self) -> Any:
        """The next response; waits for it."""
        try:
            data = json.loads(self.stream.readline())
        except TimeoutError:
            return None
        return from_json(records.WatchResponse, data["result"])

    def close(self) -> None:
        """Ends the stream."""
        self.stream.close()
        self.connection.close()


class Pair:
    """The same watch on both."""

    def __init__(self, etcd: EtcdCluster, address: str, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.mine = etcd.watch(**fields)
        self.theirs = RealWatch(address, fields)
        self.heard = [self.theirs.response()]

    def compare(self, seed: int) -> None:
        """As many responses as ours has, each the same; then both end."""
        for number, response in enumerate(self.mine.responses):
            if number == len(self.heard):
                self.heard.append(self.theirs.response())
            theirs = self.heard[number]
            assert plain(response) == plain(theirs), f"seed {seed}: watch {self.fields}"
        self.theirs.close()
        if not self.mine.responses[-1].canceled:
            self.mine.cancel()


def wanted(chance: Random, start: int) -> dict[str, Any]:
    """A watch with any options."""
    span = chance.span()
    return {
        **span,
        "start_revision": start,
        "prev_kv": chance.pick(False, True),
        "filters": chance.pick((), (), ("NOPUT",), ("NODELETE",), ("NOPUT", "NODELETE")),
        "fragment": chance.pick(False, True),
    }


def test_watches_hear_the_same() -> None:
    """Live watches and those that begin in the past get the same responses from both stores."""
    with real_etcd() as address:
        real, etcd = Gateway(address), EtcdCluster()
        revision, compacted = 1, -1
        for seed in range(SEEDS):
            chance = Random(10_000 + seed)
            live = [
                Pair(etcd, address, wanted(chance, chance.pick(0, 0, revision + 2)))
                for _ in range(2)
            ]
            for _ in range(OPERATIONS):
                method, fields = chance.call(revision)
                mine = ours(etcd, method, fields)
                real.call(method, request_of(method, fields))
                if not isinstance(mine, Failure):
                    revision = mine[0]
                    compacted = fields["revision"] if method == "compact" else compacted
            starts = [max(1, revision - chance.chance.below(12)) for _ in range(2)]
            # What was deleted at the compaction itself is told from 3.4.34 on, not by Debian's.
            starts = [start + (start == compacted) for start in starts]
            past = [Pair(etcd, address, wanted(chance, start)) for start in starts]
            etcd.run(0.3)
            for pair in live + past:
                pair.compare(seed)
        real.close()
