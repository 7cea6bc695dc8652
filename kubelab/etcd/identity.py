"""The IDs of members and clusters: hashes of addresses, so that nobody has to hand them out.

In Kubernetes: go.etcd.io/etcd/server/v3/etcdserver/api/membership (`computeMemberID`, `genID`).
"""

from __future__ import annotations

import hashlib


def member_id_of(name: str) -> int:
    """The ID of a member of the first cluster: a hash of its address and the cluster's token."""
    digest = hashlib.sha1(f"http://{name}:2380etcd-cluster".encode(), usedforsecurity=False)
    return int.from_bytes(digest.digest()[:8], "big")


def cluster_id_of(members: tuple[str, ...]) -> int:
    """The ID of a cluster: a hash of its members' IDs."""
    ids = sorted(member_id_of(name) for name in members)
    data = b"".join(number.to_bytes(8, "big") for number in ids)
    digest = hashlib.sha1(data, usedforsecurity=False)
    return int.from_bytes(digest.digest()[:8], "big")


def added_member_id_of(name: str, unix_seconds: int) -> int:
    """The ID of a member that joined later: the time is part of the hash."""
    data = f"http://{name}:2380etcd-cluster{unix_seconds}".encode()
    return int.from_bytes(hashlib.sha1(data, usedforsecurity=False).digest()[:8], "big")
