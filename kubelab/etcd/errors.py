"""etcd's errors: their gRPC codes and their words, to the letter.

Each is a `Failure`; `fail(COMPACTED)` raises it as `EtcdError`. A request that ends in one of them
has changed nothing.

In Kubernetes: go.etcd.io/etcd/api/v3/v3rpc/rpctypes. Only what this store can answer is listed.
"""

from __future__ import annotations

from typing import NoReturn

from kubelab.etcd.records import EtcdError, Failure

EMPTY_KEY = Failure(3, "etcdserver: key is not provided")
KEY_NOT_FOUND = Failure(3, "etcdserver: key not found")
VALUE_PROVIDED = Failure(3, "etcdserver: value is provided")
LEASE_PROVIDED = Failure(3, "etcdserver: lease is provided")
TOO_MANY_OPS = Failure(3, "etcdserver: too many operations in txn request")
DUPLICATE_KEY = Failure(3, "etcdserver: duplicate key given in txn request")
INVALID_SORT = Failure(3, "etcdserver: invalid sort option")
TOO_LARGE = Failure(3, "etcdserver: request is too large")
COMPACTED = Failure(11, "etcdserver: mvcc: required revision has been compacted")
FUTURE_REVISION = Failure(11, "etcdserver: mvcc: required revision is a future revision")
TTL_TOO_LARGE = Failure(11, "etcdserver: too large lease TTL")
LEASE_NOT_FOUND = Failure(5, "etcdserver: requested lease not found")
LEASE_EXISTS = Failure(9, "etcdserver: lease already exists")
NO_SPACE = Failure(8, "etcdserver: mvcc: database space exceeded")
TIMED_OUT = Failure(14, "etcdserver: request timed out")
NO_LEADER = Failure(14, "etcdserver: no leader")
MEMBER_NOT_FOUND = Failure(5, "etcdserver: member not found")
PEER_URL_EXISTS = Failure(9, "etcdserver: Peer URLs already exists")
NOT_LEADER = Failure(9, "etcdserver: not leader")
NOT_FOR_LEARNER = Failure(9, "etcdserver: rpc not supported for learner")
CANNOT_PROMOTE = Failure(9, "etcdserver: can only promote a learner member")
LEARNER_NOT_READY = Failure(
    9, "etcdserver: can only promote a learner member which is in sync with leader"
)
TOO_MANY_LEARNERS = Failure(9, "etcdserver: too many learner members in cluster")
NOT_ENOUGH_STARTED = Failure(
    9, "etcdserver: re-configuration failed due to not enough started members"
)
BAD_LEADER_TRANSFEREE = Failure(9, "etcdserver: bad leader transferee")
UNHEALTHY = Failure(14, "etcdserver: unhealthy cluster")

DUPLICATE_WATCH_ID = "mvcc: duplicate watch ID provided on the WatchStream"
EMPTY_WATCH_RANGE = "mvcc: watcher range is empty"


def fail(failure: Failure) -> NoReturn:
    """Raises a failure as EtcdError."""
    raise EtcdError(failure.code, failure.message)
