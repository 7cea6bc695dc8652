"""The pods of a StatefulSet: their names, their claims, and how well each is.

Pure functions. A pod's identity is its ordinal: name, hostname, claims and labels follow from it
and are the same for its successor.

In Kubernetes: pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

import json
import re

from kubelab.api.objects import (
    NOTHING,
    Obj,
    freeze,
    get,
    labels_of,
    name_of,
    namespace_of,
    owners_of,
    uid_of,
    with_,
)
from kubelab.controllers import history
from kubelab.controllers.pods import (
    available_in_ns,
    from_template,
    is_ready,
    is_terminating,
    phase_of,
    reference_to,
)
from kubelab.controllers.revisions import encode, fnv32

REVISION = "controller-revision-hash"
_ORDINAL = re.compile(r"^(.*)-([0-9]+)$")


def revision_hash(owner: Obj, collisions: int) -> str:
    """The hash of a revision: FNV-1 of its data as JSON, then of the collision count's digits."""
    data = json.dumps(history.data_of(owner), sort_keys=True, separators=(",", ":"))
    return encode(fnv32(data.encode() + str(collisions).encode()))


def ordinal_of(pod: Obj) -> int:
    """The ordinal in a pod's name, or -1."""
    match = _ORDINAL.match(name_of(pod))
    return int(match[2]) if match else -1


def first_ordinal(owner: Obj) -> int:
    """spec.ordinals.start."""
    return int(get(owner, "spec", "ordinals", "start", default=0))


def ordinals(owner: Obj) -> range:
    """The ordinals that are wished."""
    start = first_ordinal(owner)
    return range(start, start + owner["spec"].get("replicas", 1))


def partition(owner: Obj) -> int:
    """Below this ordinal pods keep the old revision."""
    return int(get(owner, "spec", "updateStrategy", "rollingUpdate", "partition", default=0))


def is_rolling(owner: Obj) -> bool:
    """Whether updateStrategy is RollingUpdate."""
    kind = get(owner, "spec", "updateStrategy", "type", default="RollingUpdate")
    return bool(kind == "RollingUpdate")


def is_parallel(owner: Obj) -> bool:
    """Whether pods are made and deleted all at once."""
    return bool(owner["spec"].get("podManagementPolicy") == "Parallel")


def is_up(pod: Obj) -> bool:
    """Whether a pod runs and is ready."""
    return phase_of(pod) == "Running" and is_ready(pod)


def is_available(owner: Obj, pod: Obj, now_ns: int) -> bool:
    """Whether a pod has been up for minReadySeconds."""
    wait = owner["spec"].get("minReadySeconds", 0)
    return is_up(pod) and available_in_ns(pod, wait, now_ns) == 0


def is_healthy(owner: Obj, pod: Obj, now_ns: int) -> bool:
    """Whether a pod is available and not on its way out."""
    return is_available(owner, pod, now_ns) and not is_terminating(pod)


def revision_of(pod: Obj) -> str:
    """The name of the revision that a pod was made of."""
    return str(labels_of(pod).get(REVISION, ""))


def claims(owner: Obj, ordinal: int) -> list[Obj]:
    """The claims of a pod, one for each template."""
    made = []
    for template in owner["spec"].get("volumeClaimTemplates") or ():
        metadata = dict(template["metadata"])
        metadata["name"] = claim_name(owner, template, ordinal)
        metadata["namespace"] = namespace_of(owner)
        labels = get(owner, "spec", "selector", "matchLabels", default={})
        metadata["labels"] = {**metadata.get("labels", {}), **labels}
        made.append(freeze({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
            "spec": template["spec"],
        }))  # fmt: skip
    return made


def claim_name(owner: Obj, template: Obj, ordinal: int) -> str:
    """`<claim>-<set>-<ordinal>`."""
    return f"{name_of(template)}-{name_of(owner)}-{ordinal}"


def claim_owners(owner: Obj, pod: Obj, claim: Obj, *, surplus: bool) -> list[Obj]:
    """The owner references that a pod's claim is to have by the set's retention policy.

    What is to be deleted with the set has the set as its owner; what is to be deleted when the set
    shrinks has the surplus pod. A claim that somebody else controls is left to them.
    """
    policy = owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    ours = {uid_of(owner): None, uid_of(pod): None}
    kept = [ref for ref in owners_of(claim) if ref["uid"] not in ours]
    if any(ref.get("controller") for ref in kept):
        return kept
    if surplus and policy.get("whenScaled") == "Delete":
        return [*kept, reference_to(pod)]
    if policy.get("whenDeleted") == "Delete":
        return [*kept, reference_to(owner)]
    return kept


def new_pod(owner: Obj, template: Obj, ordinal: int, revision: str) -> Obj:
    """The pod of an ordinal."""
    name = f"{name_of(owner)}-{ordinal}"
    labels = {
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": str(ordinal),
        REVISION: revision,
    }
    pod = from_template(template, owner, name=name, labels=labels)
    spec = {**pod["spec"], "hostname": name}
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    own = {
        name_of(item): {
            "name": name_of(item),
            "persistentVolumeClaim": {"claimName": claim_name(owner, item, ordinal)},
        }
        for item in owner["spec"].get("volumeClaimTemplates") or ()
    }
    if own:
        others = [item for item in spec.get("volumes") or NOTHING if item["name"] not in own]
        spec["volumes"] = [*own.values(), *others]
    return with_(pod, ("spec",), spec)  # type: ignore[no-any-return]
