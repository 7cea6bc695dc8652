"""NodeDeclaredFeatures: a pod that needs a feature which nodes declare goes where it is declared.

No feature that a pod can ask for is modelled, so every pod passes.

In Kubernetes: pkg/scheduler/framework/plugins/nodedeclaredfeatures.
"""

from __future__ import annotations

from collections.abc import Hashable

from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import SKIP, Cycle, Plugin, Status


class NodeDeclaredFeatures(Plugin):
    """Features that nodes declare."""

    name = "NodeDeclaredFeatures"

    def pre_filter(self, cycle: Cycle) -> Status | None:
        return SKIP

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        return None

    def local_filter(self, cycle: Cycle) -> Hashable:
        return ""
