"""Prints one number for everything that happens in a small cluster: the hash of its trace.

`python -m tests.trace_hash` builds three nodes with seed 7, applies the guestbook, settles, and
hashes every event, so that two Pythons, or two runs, can be compared by one line.
"""

from __future__ import annotations

import hashlib

from kubelab import Cluster
from tests.tidy import ROOT

GUESTBOOK = ROOT / "tests" / "manifests" / "guestbook.yaml"


def trace_hash(cluster: Cluster) -> str:
    """The SHA-256 of all events of a cluster, in order."""
    digest = hashlib.sha256()
    for event in cluster.trace:
        digest.update(repr(event).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def guestbook() -> Cluster:
    """The cluster that all Pythons must agree on."""
    cluster = Cluster(nodes=3, seed=7)
    cluster.apply(str(GUESTBOOK))
    cluster.settle()
    return cluster


if __name__ == "__main__":
    cluster = guestbook()
    print(f"{trace_hash(cluster)} {len(cluster.trace)} events")
