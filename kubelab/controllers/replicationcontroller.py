"""The ReplicationController controller: the ReplicaSet's older sister.

The mechanism is the ReplicaSet's (`replicaset.py`); only the selector is a plain map of labels, and
the status does not count terminating pods.

In Kubernetes: pkg/controller/replication, an adapter around the ReplicaSet controller.
"""

from __future__ import annotations

from kubelab.api.objects import Obj
from kubelab.api.selectors import LabelSelector, equal
from kubelab.controllers.replicaset import ReplicaSetController


class ReplicationControllerController(ReplicaSetController):
    """Keeps the number of each ReplicationController's pods."""

    name = "replication"
    kind = "v1/ReplicationController"

    def selector(self, owner: Obj) -> LabelSelector:
        return equal(owner["spec"].get("selector"))

    def terminating(self, count: int) -> dict[str, int]:
        return {}
