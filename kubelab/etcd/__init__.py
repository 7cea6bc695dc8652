"""The store: etcd's v3 API over a multi-version map, served by members.

Here belong keys, revisions, transactions, watches, leases and what members agree on. What an API
object is and how its key is built does not belong here: the API server knows that, and no other
component talks to the store. Read `mvcc.py` first, then `txn.py`, `watch.py` and `member.py`.
"""

from kubelab.etcd.cluster import Etcd, EtcdCluster
from kubelab.etcd.records import EtcdError

__all__ = ["Etcd", "EtcdCluster", "EtcdError"]
