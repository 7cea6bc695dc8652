"""The checksum of a store is etcd's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from kubelab.etcd import EtcdCluster
from kubelab.etcd.arguments import request_of
from kubelab.etcd.external import Gateway
from kubelab.etcd.hashing import crc32c
from kubelab.etcd.records import Failure
from tests.etcd.real import real_etcd
from tests.etcd.test_real import Random, ours

HISTORIES = 40
OPERATIONS = 10


def test_crc32c() -> None:
    """The check value that catalogues of checksums give for CRC-32C, whole and in two parts."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"6789", crc32c(b"12345")) == 0xE3069283


def test_an_empty_store_hashes_as_a_real_one() -> None:
    """A fresh etcd answers this number to `etcdctl endpoint hashkv`."""
    assert EtcdCluster().hash_kv().hash == 1084519789


def test_all_members_hash_the_same_after_compaction_and_restore() -> None:
    """Several changes of one revision keep their numbers through a compaction and a snapshot."""
    etcd = EtcdCluster(3)
    puts = [{"request_put": {"key": key, "value": b"1"}} for key in (b"a", b"b", b"c")]
    etcd.txn([], puts)
    etcd.put(b"a", b"2")
    etcd.compact(3)
    etcd.run(1)
    hashes = [etcd.member(f"etcd-{number}").hash_kv().hash for number in (1, 2, 3)]
    again = EtcdCluster(snapshot=etcd.snapshot().blob)
    assert [again.hash_kv().hash] * 3 == hashes


@pytest.mark.native
def test_random_histories_hash_as_in_a_real_etcd() -> None:
    """After every random history both stores have the same checksum."""
    control = shutil.which("etcdctl")
    if control is None:
        pytest.skip("no etcdctl here to ask with: apt-get install etcd-client")
    with real_etcd() as address:
        real, etcd = Gateway(address), EtcdCluster()
        command = [control, "--endpoints", address, "endpoint", "hashkv", "-w", "json"]
        environment = {**os.environ, "ETCDCTL_API": "3"}
        etcd.put(b"z", b"stays")
        real.call("put", request_of("put", {"key": b"z", "value": b"stays"}))
        revision = 2
        for seed in range(HISTORIES):
            chance = Random(50_000 + seed)
            for _ in range(OPERATIONS):
                method, fields = chance.call(revision)
                if fields.get("range_end") in (b"\0", b"z"):
                    # Where no key is left, what is cleared up depends on etcd's version.
                    fields["range_end"] = b"c"
                mine = ours(etcd, method, fields)
                real.call(method, request_of(method, fields))
                if not isinstance(mine, Failure):
                    revision = mine[0]
            told = subprocess.run(command, check=True, capture_output=True, env=environment)
            theirs = json.loads(told.stdout)[0]["HashKV"]
            answer = etcd.hash_kv()
            assert answer.hash == theirs["hash"], f"seed {seed}"
            assert answer.compact_revision == theirs.get("compact_revision", 0), f"seed {seed}"
        real.close()
