"""A pod as the scheduler reads it: every rule of its spec parsed once.

A `PodInfo` never changes; a changed pod gets a new one, a placed pod one with `node` set. It holds
integers, parsed selectors and tuples, so that the rules of the plugins are short and quick. `obj`
is the pod as it was when the record was made: its spec is current, its status may be older.

In Kubernetes: the scheduler framework's PodInfo.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kubelab.api.objects import EMPTY, Obj, get, uid_of
from kubelab.scheduler.matching import (
    AffinityTerm,
    NodeTerm,
    Selector,
    Toleration,
    affinity_terms,
    label_selector,
    node_term,
    node_terms,
    weighted_terms,
)
from kubelab.scheduler.resources import (
    DEFAULTS,
    Resources,
    pod_requests,
    resources,
    scoring_defaults,
)

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"

# host IP, protocol, port
HostPort = tuple[str, str, int]


class SpreadConstraint(NamedTuple):
    """A topology spread constraint."""

    max_skew: int
    topology_key: str
    hard: bool
    selector: Selector
    min_domains: int
    honor_affinity: bool
    honor_taints: bool


class PodInfo(NamedTuple):
    """One pod, parsed."""

    key: str
    namespace: str
    name: str
    uid: str
    obj: Obj
    labels: Obj
    priority: int
    node: str
    terminating: bool
    scheduler_name: str
    gates: tuple[str, ...]
    requests: Resources
    # cpu and memory with the scoring defaults, as the pod counts on its node.
    nonzero_cpu: int
    nonzero_memory: int
    # What the incoming pod adds in a score: its containers with the defaults.
    scored: Resources
    ports: tuple[HostPort, ...]
    tolerations: tuple[Toleration, ...]
    node_selector: tuple[tuple[str, str], ...]
    node_terms: tuple[NodeTerm, ...] | None
    preferred_nodes: tuple[tuple[int, NodeTerm], ...]
    affinity: tuple[AffinityTerm, ...]
    anti_affinity: tuple[AffinityTerm, ...]
    preferred_affinity: tuple[AffinityTerm, ...]
    preferred_anti_affinity: tuple[AffinityTerm, ...]
    constraints: tuple[SpreadConstraint, ...]
    images: tuple[str, ...]
    volumes: tuple[Obj, ...]

    @property
    def has_affinity(self) -> bool:
        """Whether other pods matter to this one, or would to pods that come later."""
        return bool(
            self.affinity
            or self.anti_affinity
            or self.preferred_affinity
            or self.preferred_anti_affinity
        )


def parse_pod(pod: Obj) -> PodInfo:
    """The record of a pod."""
    spec, meta = pod["spec"], pod["metadata"]
    namespace, name = meta.get("namespace", "default"), meta["name"]
    requests = pod_requests(pod)
    defaults = scoring_defaults(pod, requests)
    counted = pod_requests(pod, defaults) if defaults else requests
    node_affinity = get(spec, "affinity", "nodeAffinity", default=EMPTY)
    pod_affinity = get(spec, "affinity", "podAffinity", default=EMPTY)
    anti_affinity = get(spec, "affinity", "podAntiAffinity", default=EMPTY)
    labels = meta.get("labels") or EMPTY
    return PodInfo(
        key=f"{namespace}/{name}",
        namespace=namespace,
        name=name,
        uid=uid_of(pod) or f"{namespace}/{name}",
        obj=pod,
        labels=labels,
        priority=spec.get("priority") or 0,
        node=spec.get("nodeName") or "",
        terminating=bool(meta.get("deletionTimestamp")),
        scheduler_name=spec.get("schedulerName") or "default-scheduler",
        gates=tuple(gate["name"] for gate in spec.get("schedulingGates") or ()),
        requests=resources(requests),
        nonzero_cpu=counted.get("cpu", 0),
        nonzero_memory=counted.get("memory", 0),
        scored=resources(pod_requests(pod, DEFAULTS, pod_level=False)),
        ports=tuple(_host_ports(spec)),
        tolerations=tuple(
            Toleration(
                item.get("key") or "",
                item.get("operator") or "",
                item.get("value") or "",
                item.get("effect") or "",
            )
            for item in spec.get("tolerations") or ()
        ),
        node_selector=tuple((spec.get("nodeSelector") or {}).items()),
        node_terms=node_terms(node_affinity.get(REQUIRED)),
        preferred_nodes=tuple(
            (item["weight"], node_term(item.get("preference") or {}))
            for item in node_affinity.get(PREFERRED) or ()
        ),
        affinity=affinity_terms(pod_affinity.get(REQUIRED), namespace, labels),
        anti_affinity=affinity_terms(anti_affinity.get(REQUIRED), namespace, labels),
        preferred_affinity=weighted_terms(pod_affinity.get(PREFERRED), namespace, labels),
        preferred_anti_affinity=weighted_terms(anti_affinity.get(PREFERRED), namespace, labels),
        constraints=tuple(
            spread_constraint(item, labels) for item in spec.get("topologySpreadConstraints") or ()
        ),
        images=tuple(_images(spec)),
        volumes=tuple(spec.get("volumes") or ()),
    )


def spread_constraint(item: Mapping[str, Any], labels: Mapping[str, str]) -> SpreadConstraint:
    """A parsed constraint; `matchLabelKeys` narrow the selector to the pod's own values."""
    selector = label_selector(item.get("labelSelector"))
    own = {key: labels[key] for key in item.get("matchLabelKeys") or () if key in labels}
    if own and selector is not None:
        selector += label_selector({"matchLabels": own}) or ()
    return SpreadConstraint(
        item["maxSkew"],
        item["topologyKey"],
        item.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule",
        selector,
        item.get("minDomains") or 1,
        item.get("nodeAffinityPolicy") != "Ignore",
        item.get("nodeTaintsPolicy") == "Honor",
    )


def _host_ports(spec: Mapping[str, Any]) -> list[HostPort]:
    """The ports of the node that containers and sidecars want."""
    found = []
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                address = port.get("hostIP") or "0.0.0.0"
                found.append((address, port.get("protocol") or "TCP", port["hostPort"]))
    return found


def _images(spec: Mapping[str, Any]) -> list[str]:
    """The images that the pod needs, with their tags: containers, then image volumes."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    names = [container.get("image") or "" for container in containers]
    sources = [volume.get("image") for volume in spec.get("volumes") or ()]
    names += [source.get("reference") or "" for source in sources if source]
    return [tagged(name) for name in names]


def tagged(image: str) -> str:
    """An image's name with its tag: a colon before the last slash is none."""
    return image if image.rfind(":") > image.rfind("/") else f"{image}:latest"
