"""Whole clusters for tests of the scheduler: given nodes, pods bound by hand, and one decision.

What stands here is what a reader of the cases needs: short words for manifests, `decide` for the
last decision on a pod. Everything goes through the public `Cluster`.
"""

from __future__ import annotations

from typing import Any

from kubelab import Cluster
from kubelab.scheduler.decision import Decision

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
TAIL = " no new claims to deallocate, preemption: "


def node(name: str, cpu: Any = "4", memory: Any = "8Gi", pods: int = 110, **more: Any) -> Any:
    """A Node manifest; `labels`, `taints` (key, value, effect), `unschedulable`, `images`."""
    taints = [dict(zip(("key", "value", "effect"), t, strict=True)) for t in more.get("taints", ())]
    amounts = {"cpu": cpu, "memory": memory, "pods": str(pods), **more.get("extra", {})}
    spec: dict[str, Any] = {"taints": taints} if taints else {}
    if more.get("unschedulable"):
        spec["unschedulable"] = True
    images = [{"names": [image], "sizeBytes": size} for image, size in more.get("images", ())]
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": more.get("labels", {})}, "spec": spec,
        "status": {"capacity": amounts, "allocatable": amounts, "images": images},
    }  # fmt: skip


def pod(name: str, on: str = "", requests: Any = None, **spec: Any) -> Any:
    """A Pod manifest, bound by hand to `on` if given; `labels`, `namespace`, spec fields."""
    meta = {"name": name, "labels": spec.pop("labels", {})}
    if "namespace" in spec:
        meta["namespace"] = spec.pop("namespace")
    image = spec.pop("image", "registry.k8s.io/pause:3.10")
    container = {"name": "c", "image": image, "resources": {"requests": requests or {}}}
    if on:
        spec["nodeName"] = on
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": meta,
        "spec": {"containers": [container], **spec},
    }  # fmt: skip


def cluster(nodes: list[Any], *objects: Any, config: Any = None) -> Cluster:
    """A cluster of just these nodes, with these objects applied."""
    made = Cluster(nodes=nodes, dns=False, scheduler_config=config)
    if objects:
        made.apply(list(objects))
    return made


def decide(made: Cluster, manifest: Any) -> Decision:
    """Applies a pod and has the scheduler decide on it."""
    made.apply(manifest)
    made.scheduler.schedule_one()
    meta = manifest["metadata"]
    return made.scheduler.explain(f"{meta.get('namespace', 'default')}/{meta['name']}")


def score(decision: Decision, plugin: str, raw: bool = False) -> dict[str, int]:
    """A plugin's scores by node."""
    kind = "raw" if raw else "normalized"
    rows = decision.to_dict()["scores"]
    return {name: row[plugin][kind] for name, row in rows.items()}


def condition(made: Cluster, name: str) -> Any:
    """The PodScheduled condition of a pod of the default namespace."""
    rows = made.get("Pod", name)["status"].get("conditions", ())
    return next((row for row in rows if row["type"] == "PodScheduled"), {})


def events(made: Cluster, name: str) -> list[tuple[str, str]]:
    """The scheduler's Events on a pod: reason and message."""
    return [
        (event["reason"], event["message"])
        for event in made.list("Event")
        if event["involvedObject"]["name"] == name
        and event.get("reportingComponent", "") not in ("kubelet", "")
    ]
