"""What an API server fills in before anyone acts: the defaults of every kind.

`apply_defaults` gives an object in its stored form: each field that Kubernetes writes though nobody
set it has its default. Parts that need nothing are shared with the object given, and an object that
is complete already comes back as it is. The groups of kinds have a file each; `filling.py` has the
verbs in which they are written.

What must hold: a default depends on the object alone. What depends on the moment, on others or
on earlier versions is not filled in here but by the strategy, by admission or by the allocator of
addresses: uid, creationTimestamp, generation, clusterIP, node ports, IP families, the service
account and its token volume, tolerations, priority, the selector of a Job, finalizers of volumes, a
pod's phase and class of service, the template generation of a DaemonSet.

In Kubernetes: pkg/apis/*/*/defaults.go, and the zero values that Go's JSON encoder writes.
"""

from __future__ import annotations

from collections.abc import Callable

from kubelab.api.kinds import CustomKind, Kind
from kubelab.apiserver import customresources, defaults_core, defaults_policies, defaults_workloads
from kubelab.apiserver.filling import filled
from kubelab.sim.tree import Obj, freeze

DEFAULTS: dict[tuple[str, str], Callable[[Obj], Obj]] = {
    **defaults_core.DEFAULTS,
    **defaults_workloads.DEFAULTS,
    **defaults_policies.DEFAULTS,
}

_NODE_INFO = dict.fromkeys(
    (
        "machineID", "systemUUID", "bootID", "kernelVersion", "osImage",
        "containerRuntimeVersion", "kubeletVersion", "kubeProxyVersion", "operatingSystem",
        "architecture",
    ),
    "",
)  # fmt: skip
# The fields that a status has even while nobody has written one.
_EMPTY: dict[tuple[str, str], dict[str, object]] = {
    ("", "Namespace"): {},
    ("", "Node"): {
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": _NODE_INFO,
    },
    ("", "PersistentVolume"): {},
    ("", "PersistentVolumeClaim"): {},
    ("", "Pod"): {},
    ("", "ReplicationController"): {"replicas": 0},
    ("", "ResourceQuota"): {},
    ("", "Service"): {"loadBalancer": {}},
    ("apiextensions.k8s.io", "CustomResourceDefinition"): {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": None,
    },
    ("apiregistration.k8s.io", "APIService"): {},
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): {},
    ("apps", "DaemonSet"): {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    },
    ("apps", "Deployment"): {},
    ("apps", "ReplicaSet"): {"replicas": 0},
    ("apps", "StatefulSet"): {"replicas": 0, "availableReplicas": 0},
    ("autoscaling", "HorizontalPodAutoscaler"): {"desiredReplicas": 0, "currentMetrics": None},
    # An earlier version of a kind stands under its apiVersion.
    ("autoscaling/v1", "HorizontalPodAutoscaler"): {"currentReplicas": 0, "desiredReplicas": 0},
    ("batch", "CronJob"): {},
    ("batch", "Job"): {},
    ("certificates.k8s.io", "CertificateSigningRequest"): {},
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): {},
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): {},
    ("networking.k8s.io", "Ingress"): {"loadBalancer": {}},
    ("networking.k8s.io", "ServiceCIDR"): {},
    ("policy", "PodDisruptionBudget"): {
        "disruptionsAllowed": 0,
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "expectedPods": 0,
    },
    ("resource.k8s.io", "ResourceClaim"): {},
    ("storage.k8s.io", "VolumeAttachment"): {"attached": False},
}
EMPTY_STATUS: dict[tuple[str, str], Obj] = {key: freeze(value) for key, value in _EMPTY.items()}


def apply_defaults(kind: Kind, obj: Obj) -> Obj:
    """The object with all defaults of its kind; itself where nothing is missing."""
    if isinstance(kind, CustomKind):
        return customresources.filled(kind, obj)
    key = (kind.group, kind.kind)
    fill = DEFAULTS.get(key)
    if fill is not None:
        obj = fill(obj)
    zero = EMPTY_STATUS.get((kind.api_version, kind.kind), EMPTY_STATUS.get(key))
    if zero is None:
        return obj
    status = obj.get("status")
    if status is None:
        return Obj({**obj, "status": zero})
    complete = filled(status, zero)
    return obj if complete is status else Obj({**obj, "status": complete})
