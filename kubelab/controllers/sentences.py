"""One plain sentence for each event of the controller manager.

A turn (`sync`) notes its controller and key, the wish, what was seen and the act; from these alone
the sentence is made, so that an old trace can still be told. A controller whose turn needs other
words has a function of its own in the table.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from collections.abc import Callable

from kubelab.api.objects import Obj
from kubelab.client.sentences import heard
from kubelab.sim.kernel import Event

ACTORS = {
    "replicaset": "ReplicaSet controller",
    "replication": "Replication controller",
    "deployment": "Deployment controller",
    "daemonset": "DaemonSet controller",
    "statefulset": "StatefulSet controller",
    "job": "Job controller",
    "cronjob": "CronJob controller",
    "endpoints": "Endpoints controller",
    "endpointslice": "EndpointSlice controller",
    "endpointslicemirroring": "EndpointSlice mirroring controller",
    "namespace": "Namespace controller",
    "serviceaccount": "Service account controller",
    "root-ca-certificate-publisher": "Root CA publisher",
    "garbage-collector": "Garbage collector",
    "nodeipam": "Node IPAM controller",
    "node-lifecycle": "Node controller",
    "taint-eviction": "Taint eviction controller",
    "pod-garbage-collector": "Pod garbage collector",
    "ttl": "Node TTL controller",
    "ttl-after-finished": "TTL controller",
    "service": "Service controller",
    "disruption": "Disruption controller",
    "resourcequota": "Resource quota controller",
    "persistentvolume": "Volume binder",
    "provisioner": "Volume provisioner",
    "persistentvolumeclaim-protection": "Claim protection controller",
    "persistentvolume-protection": "Volume protection controller",
    "persistentvolume-expander": "Volume expander",
    "attachdetach": "Attach-detach controller",
    "ephemeral-volume": "Ephemeral volume controller",
    "csrapproving": "Certificate approver",
    "csrsigning": "Certificate signer",
    "csrcleaner": "Certificate cleaner",
    "horizontalpodautoscaler": "Autoscaler",
    "clusterrole-aggregation": "ClusterRole aggregation controller",
}
IDLE = "—"


def _counts(detail: Obj) -> str:
    seen, wish = detail.get("seen"), detail.get("wish")
    noun = "pod" if seen == 1 else "pods"
    return f"it counted {seen} {noun} and the wish is {wish}"


def _pods(actor: str, detail: Obj) -> str:
    """ReplicaSets, Jobs and whoever else makes pods to a number."""
    act, key = str(detail.get("act", IDLE)), detail["key"]
    word, _, count = act.partition(" ")
    if word in ("create", "delete") and count.isdigit():
        noun = "pod" if count == "1" else "pods"
        return f"{actor} {word}s {count} {noun} for {key} because {_counts(detail)}."
    if act == IDLE and "wish" in detail:
        return f"{actor} leaves {key} as it is because {_counts(detail)}."
    return _any(actor, detail)


def _deployment(actor: str, detail: Obj) -> str:
    act, key = str(detail.get("act", IDLE)), detail["key"]
    if act.startswith("create "):
        name = act.split()[1]
        return f"{actor} creates ReplicaSet {name} because none of {key} has this pod template."
    if "→" in act:
        return f"{actor} resizes for {key}: {act}, because the wish is {detail.get('wish')} pods."
    if act == IDLE and "wish" in detail:
        seen, wish = detail.get("seen"), detail["wish"]
        return (
            f"{actor} moves no ReplicaSet of {key}: they wish for {seen} pods together, "
            f"the Deployment for {wish}."
        )
    return _any(actor, detail)


def _sizes(actor: str, detail: Obj) -> str:
    act, key = str(detail.get("act", IDLE)), detail["key"]
    if act.startswith("resize to "):
        return (
            f"{actor} sets {key} to {detail['wish']} pods because {detail['seen']} are not right."
        )
    return _any(actor, detail)


def _slices(actor: str, detail: Obj) -> str:
    act, key = str(detail.get("act", IDLE)), detail["key"]
    if "wish" not in detail:
        return _any(actor, detail)
    count = detail["wish"]
    noun = "pod" if count == 1 else "pods"
    if act == IDLE:
        return (
            f"{actor} leaves the addresses of {key} as they are because its {count} {noun} are in."
        )
    was = detail["seen"]
    if not count and not was:
        return f"{actor} writes an empty list for {key} because no pod with an address fits it yet."
    return (
        f"{actor} rewrites the addresses of {key} because it finds {count} {noun} and "
        f"{was} stood there."
    )


def _collector(actor: str, detail: Obj) -> str:
    act, key = str(detail.get("act", "")), detail["key"]
    if act == "delete 1":
        return f"{actor} deletes {key} because its owner {detail['owner']} is gone."
    if act == "wait for dependents":
        return f"{actor} keeps {key} because {detail['seen']} dependents still hold it."
    if act == "let it go":
        return f"{actor} lets {key} go because nothing depends on it any more."
    return _any(actor, detail)


def _node(actor: str, detail: Obj) -> str:
    act, key, seen = str(detail.get("act", "")), detail["key"], detail.get("seen")
    if act == "set Ready to Unknown":
        return (
            f"{actor} marks {key} Unknown because its last sign of life is {seen}; its containers "
            "may still run."
        )
    if act.startswith("set taints: "):
        return f"{actor} sets the taints of {key} by its conditions: {act[12:]}."
    if key.startswith("(") and "heard" in detail:
        late = detail["wish"] - seen
        return (
            f"{actor} looks at its {detail['wish']} nodes: {detail['heard']} were heard of since "
            f"the last look, {late} not for too long."
        )
    if act == IDLE:
        return f"{actor} leaves {key} as it is because its last sign of life is {seen}."
    return _any(actor, detail)


def _eviction(actor: str, detail: Obj) -> str:
    act, key, taints = str(detail.get("act", "")), detail["key"], detail.get("taints")
    if act.startswith("plan in "):
        return f"{actor} will delete {key} in {act[8:]} because its node has the taint {taints}."
    if act == "delete 1":
        return f"{actor} deletes {key} because its time with the taint {taints} is over."
    if act == "cancel":
        return f"{actor} lets {key} stay because the taint of its node is gone."
    return _any(actor, detail)


def _address(actor: str, detail: Obj) -> str:
    if "cidr" in detail:
        key, cidr = detail["key"], detail["cidr"]
        return f"{actor} gives {key} the pod addresses {cidr} because they are the first free ones."
    return _any(actor, detail)


def _any(actor: str, detail: Obj) -> str:
    act, key = str(detail.get("act", IDLE)), detail["key"]
    if act == IDLE:
        return f"{actor} looks at {key} and finds nothing to do."
    return f"{actor} acts on {key}: {act}."


SENTENCES: dict[str, Callable[[str, Obj], str]] = {
    "replicaset": _pods,
    "replication": _pods,
    "daemonset": _pods,
    "horizontalpodautoscaler": _sizes,
    "statefulset": _pods,
    "job": _pods,
    "deployment": _deployment,
    "endpoints": _slices,
    "endpointslice": _slices,
    "garbage-collector": _collector,
    "node-lifecycle": _node,
    "taint-eviction": _eviction,
    "nodeipam": _address,
}


def tell(event: Event) -> str:
    """The sentence of an event of the controller manager."""
    detail = event.detail
    actor = ACTORS.get(str(detail.get("controller", "")), "Controller manager")
    if event.verb == "sync" and "key" in detail:
        return SENTENCES.get(detail["controller"], _any)(actor, detail)
    if event.verb == "requeue" and "key" in detail:
        return f"{actor} puts {detail['key']} back into its queue because its wait is over."
    return heard("Controller manager", event)
