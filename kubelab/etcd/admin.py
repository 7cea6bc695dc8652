"""The requests and responses of etcd's Cluster and Maintenance services, beyond the everyday ones.

Field names are etcd's. What every client needs (status, list of members, snapshot) is with the
keys in `records.py`.

In Kubernetes: go.etcd.io/etcd/api/v3, `rpc.proto`. Downgrades are left out.
"""

from __future__ import annotations

from typing import NamedTuple

from kubelab.etcd.records import EtcdMember, ResponseHeader

ALARM_ACTIONS = ("GET", "ACTIVATE", "DEACTIVATE")
ALARMS = ("NONE", "NOSPACE", "CORRUPT")


class AlarmMember(NamedTuple):
    """An alarm and the member that raised it."""

    memberID: int = 0
    alarm: str = "NONE"


class AlarmRequest(NamedTuple):
    action: str = "GET"
    memberID: int = 0
    alarm: str = "NONE"


class AlarmResponse(NamedTuple):
    header: ResponseHeader
    alarms: tuple[AlarmMember, ...] = ()


class DefragmentRequest(NamedTuple):
    pass


class DefragmentResponse(NamedTuple):
    header: ResponseHeader


class HashKVRequest(NamedTuple):
    revision: int = 0


class HashKVResponse(NamedTuple):
    header: ResponseHeader
    hash: int = 0
    compact_revision: int = 0
    hash_revision: int = 0


class MoveLeaderRequest(NamedTuple):
    targetID: int = 0


class MoveLeaderResponse(NamedTuple):
    header: ResponseHeader


class MemberAddRequest(NamedTuple):
    peerURLs: tuple[str, ...] = ()
    isLearner: bool = False


class MemberAddResponse(NamedTuple):
    header: ResponseHeader
    member: EtcdMember = EtcdMember()
    members: tuple[EtcdMember, ...] = ()


class MemberRemoveRequest(NamedTuple):
    ID: int = 0


class MemberPromoteRequest(NamedTuple):
    ID: int = 0


class MembersResponse(NamedTuple):
    """The answer to the removal and to the promotion of a member."""

    header: ResponseHeader
    members: tuple[EtcdMember, ...] = ()
