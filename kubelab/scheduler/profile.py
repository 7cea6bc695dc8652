"""A profile: which plugins stand at which extension point, in which order, with which weights.

A pod chooses a profile by its `schedulerName`. The default one has all plugins of the table below,
each at every point for which it has a method, in this order.

In Kubernetes: pkg/scheduler/apis/config/v1/default_plugins.go and framework/runtime.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kubelab.api.objects import EMPTY, Obj
from kubelab.scheduler.framework import POINTS, Plugin, stands_at
from kubelab.scheduler.plugins.balancedallocation import NodeResourcesBalancedAllocation
from kubelab.scheduler.plugins.defaultbinder import DefaultBinder
from kubelab.scheduler.plugins.defaultpreemption import DefaultPreemption
from kubelab.scheduler.plugins.dynamicresources import DynamicResources
from kubelab.scheduler.plugins.imagelocality import ImageLocality
from kubelab.scheduler.plugins.interpodaffinity import InterPodAffinity
from kubelab.scheduler.plugins.nodeaffinity import NodeAffinity
from kubelab.scheduler.plugins.nodedeclaredfeatures import NodeDeclaredFeatures
from kubelab.scheduler.plugins.nodename import NodeName
from kubelab.scheduler.plugins.nodeports import NodePorts
from kubelab.scheduler.plugins.noderesourcesfit import NodeResourcesFit
from kubelab.scheduler.plugins.nodeunschedulable import NodeUnschedulable
from kubelab.scheduler.plugins.nodevolumelimits import NodeVolumeLimits
from kubelab.scheduler.plugins.podtopologyspread import PodTopologySpread
from kubelab.scheduler.plugins.prioritysort import PrioritySort
from kubelab.scheduler.plugins.schedulinggates import SchedulingGates
from kubelab.scheduler.plugins.tainttoleration import TaintToleration
from kubelab.scheduler.plugins.volumebinding import VolumeBinding
from kubelab.scheduler.plugins.volumerestrictions import VolumeRestrictions
from kubelab.scheduler.plugins.volumezone import VolumeZone
from kubelab.scheduler.wakeups import NODE, NODE_ADDED, TAINT

DEFAULT_NAME = "default-scheduler"

# The plugins of the default profile in their order, with the weights of their scores.
DEFAULT_PLUGINS: tuple[tuple[type[Plugin], int], ...] = (
    (SchedulingGates, 0),
    (PrioritySort, 0),
    (NodeUnschedulable, 0),
    (NodeName, 0),
    (TaintToleration, 3),
    (NodeAffinity, 2),
    (NodePorts, 0),
    (NodeResourcesFit, 1),
    (VolumeRestrictions, 0),
    (NodeVolumeLimits, 0),
    (VolumeBinding, 1),
    (VolumeZone, 0),
    (PodTopologySpread, 2),
    (InterPodAffinity, 2),
    (DynamicResources, 2),
    (NodeDeclaredFeatures, 0),
    (DefaultPreemption, 0),
    (NodeResourcesBalancedAllocation, 1),
    (ImageLocality, 1),
    (DefaultBinder, 0),
)

REGISTRY: dict[str, type[Plugin]] = {kind.name: kind for kind, _ in DEFAULT_PLUGINS}


class Profile:
    """Plugins by extension point, each with its weight (which counts at Score only)."""

    def __init__(
        self,
        name: str,
        points: Mapping[str, list[tuple[str, int]]],
        args: Mapping[str, Obj] | None = None,
        percentage: int | None = None,
        registry: Mapping[str, type[Plugin]] = REGISTRY,
    ) -> None:
        self.name = name
        self.percentage = percentage
        self.plugins: dict[str, Plugin] = {}
        self.listeners: dict[tuple[str, str], tuple[str, ...]] = {}
        self.points = {point: list(points.get(point, ())) for point in POINTS}
        for entries in points.values():
            for plugin_name, _ in entries:
                if plugin_name not in self.plugins:
                    own = (args or {}).get(plugin_name, EMPTY)
                    self.plugins[plugin_name] = registry[plugin_name](own)

    def at(self, point: str) -> list[tuple[Plugin, int]]:
        """The plugins at a point, in order, with their weights."""
        return [(self.plugins[name], weight) for name, weight in self.points[point]]

    def waits_for(self, refused_by: Iterable[str]) -> tuple[str, ...]:
        """The kinds of objects whose changes these plugins want to hear of, in their order."""
        asked = [self.plugins[name].events for name in refused_by if name in self.plugins]
        return tuple(dict.fromkeys(resource for events in asked for resource, _ in events))

    def hinting(self, event: tuple[str, str]) -> tuple[str, ...]:
        """The plugins that want to hear of an event (resource, action).

        Whoever hears of new nodes also hears of every change of a node's taints: a node that was
        ruled out by a taint before may be as good as new.
        """
        names = self.listeners.get(event)
        if names is None:
            wanted = (event, NODE_ADDED) if event == (NODE, TAINT) else (event,)
            names = self.listeners[event] = tuple(
                name
                for name, plugin in self.plugins.items()
                if any(one in plugin.events for one in wanted)
            )
        return names


def default_points(
    registry: Mapping[str, type[Plugin]] = REGISTRY,
) -> dict[str, list[tuple[str, int]]]:
    """The default profile's plugins by point."""
    return {
        point: [(kind.name, weight or 1) for kind, weight in DEFAULT_PLUGINS if _has(kind, point)]
        for point in POINTS
    }


def _has(kind: type[Plugin], point: str) -> bool:
    return hasattr(kind, POINTS[point])


def default_profile() -> Profile:
    """The profile of a scheduler that is not configured."""
    return Profile(DEFAULT_NAME, default_points())


__all__ = ["DEFAULT_NAME", "REGISTRY", "Profile", "default_points", "default_profile", "stands_at"]
