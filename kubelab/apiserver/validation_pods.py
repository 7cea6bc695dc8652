"""Validation of pods and pod templates, and of what may change in a pod that is there.

In Kubernetes: pkg/apis/core/validation/validation.go, ValidatePodSpec and ValidatePodUpdate.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.fielderrors import not_allowed, required, unsupported, wrong
from kubelab.apiserver import formats, internal_form, validation_placement
from kubelab.apiserver.validation_containers import containers, init_containers, resources
from kubelab.apiserver.validation_meta import Errors, annotation_map, each_wrong, labels
from kubelab.apiserver.validation_volumes import volumes
from kubelab.sim.tree import EMPTY, NOTHING, Obj

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)


def pod(obj: Obj) -> Errors:
    """A Pod that is to be created."""
    spec = obj.get("spec") or EMPTY
    yield from pod_spec(spec, "spec")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        message = "cannot be set until all schedulingGates have been cleared"
        yield not_allowed("spec.nodeName", message)
    if spec.get("ephemeralContainers"):
        yield not_allowed("spec.ephemeralContainers", "cannot be set on create")


def template(held: Any, field: str) -> Errors:
    """A pod template."""
    meta = held.get("metadata") or EMPTY
    yield from labels(meta.get("labels"), f"{field}.metadata.labels")
    yield from annotation_map(meta.get("annotations"), f"{field}.metadata.annotations")
    spec = held.get("spec") or EMPTY
    yield from pod_spec(spec, f"{field}.spec")
    if spec.get("ephemeralContainers"):
        message = "ephemeral containers not allowed in pod template"
        yield not_allowed(f"{field}.spec.ephemeralContainers", message)


def pod_spec(spec: Any, field: str) -> Errors:
    """A PodSpec, in the order in which its fields are looked at."""
    yield from volumes(spec.get("volumes") or (), f"{field}.volumes")
    yield from containers(spec.get("containers") or (), spec, f"{field}.containers")
    yield from init_containers(spec.get("initContainers") or (), spec, f"{field}.initContainers")
    if spec.get("resources"):
        yield from resources(spec["resources"], f"{field}.resources")
    policy, dns = spec.get("restartPolicy") or "", spec.get("dnsPolicy") or ""
    if not policy:
        # Defaults fill it in; only a spec that is missing altogether lacks it.
        pass
    elif policy not in RESTART_POLICIES:
        yield unsupported(f"{field}.restartPolicy", policy, RESTART_POLICIES)
    if dns and dns not in DNS_POLICIES:
        yield unsupported(f"{field}.dnsPolicy", dns, DNS_POLICIES)
    yield from labels(spec.get("nodeSelector"), f"{field}.nodeSelector")
    yield from _security(spec.get("securityContext") or EMPTY, f"{field}.securityContext")
    yield from validation_placement.affinity(spec.get("affinity"), f"{field}.affinity")
    yield from _dns(dns, spec.get("dnsConfig"), field)
    gates = spec.get("schedulingGates") or ()
    yield from validation_placement.gates(gates, f"{field}.schedulingGates")
    spread = spec.get("topologySpreadConstraints") or ()
    yield from validation_placement.spreading(spread, f"{field}.topologySpreadConstraints")
    yield from _names(spec, field)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= formats.LARGEST_INT32:
        message = formats.between(1, formats.LARGEST_INT32)
        yield wrong(f"{field}.activeDeadlineSeconds", deadline, message)
    for key in ("hostname", "subdomain"):
        if spec.get(key):
            yield from each_wrong(f"{field}.{key}", spec[key], formats.label(spec[key]))
    tolerations = spec.get("tolerations") or ()
    yield from validation_placement.tolerations(tolerations, f"{field}.tolerations")
    for at, alias in enumerate(spec.get("hostAliases") or ()):
        address = alias.get("ip") or ""
        yield from each_wrong(f"{field}.hostAliases[{at}].ip", address, formats.ip_address(address))
    name = spec.get("priorityClassName")
    if name:
        yield from each_wrong(f"{field}.priorityClassName", name, formats.subdomain(name))
    preemption = spec.get("preemptionPolicy")
    if preemption not in (None, "Never", "PreemptLowerPriority"):
        allowed = ["Never", "PreemptLowerPriority"]
        yield unsupported(f"{field}.preemptionPolicy", preemption, allowed)


def _names(spec: Any, field: str) -> Errors:
    for key in ("serviceAccountName", "nodeName"):
        if spec.get(key):
            yield from each_wrong(f"{field}.{key}", spec[key], formats.subdomain(spec[key]))


def _security(held: Any, path: str) -> Errors:
    for key in ("runAsUser", "runAsGroup", "fsGroup"):
        if held.get(key) is not None:
            yield from each_wrong(f"{path}.{key}", held[key], formats.user_id(held[key]))
    for at, group in enumerate(held.get("supplementalGroups") or ()):
        yield from each_wrong(f"{path}.supplementalGroups[{at}]", group, formats.user_id(group))


def _dns(policy: str, config: Any, field: str) -> Errors:
    if policy == "None":
        message = "must provide `dnsConfig` when `dnsPolicy` is None"
        if config is None:
            yield required(f"{field}.dnsConfig", message)
        elif not config.get("nameservers"):
            message = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required(f"{field}.dnsConfig.nameservers", message)
    for at, server in enumerate((config or EMPTY).get("nameservers") or ()):
        path = f"{field}.dnsConfig.nameservers[{at}]"
        yield from each_wrong(path, server, formats.ip_address(server))


# Changes.


def pod_update(old: Obj, new: Obj) -> Errors:
    """A Pod that is to be changed: of the spec hardly anything may."""
    before, after = old.get("spec") or EMPTY, new.get("spec") or EMPTY
    if before is after:
        return
    for key in ("containers", "initContainers"):
        if len(before.get(key) or ()) != len(after.get(key) or ()):
            yield not_allowed(f"spec.{key}", "pod updates may not add or remove containers")
            return
    held, wished = before.get("tolerations") or (), after.get("tolerations") or ()
    if any(item not in wished for item in held):
        message = "existing toleration can not be modified except its tolerationSeconds"
        if not all(any(_same_but_seconds(item, other) for other in wished) for item in held):
            yield not_allowed("spec.tolerations", message)
            return
    yield from _gates_update(before, after)
    yield from _deadline_update(before, after)
    wished = _frozen(after, before)
    if _frozen(before, before) != wished:
        forms = internal_form.pod_spec(before), internal_form.pod_spec(wished)
        yield not_allowed("spec", f"{_MUTABLE}\n{internal_form.difference(*forms)}")
        return
    yield from pod_spec(after, "spec")


def _same_but_seconds(item: Any, other: Any) -> bool:
    keys = ("key", "operator", "value", "effect")
    return all(item.get(key) == other.get(key) for key in keys)


def _gates_update(before: Any, after: Any) -> Errors:
    known = [gate.get("name") for gate in before.get("schedulingGates") or ()]
    for at, gate in enumerate(after.get("schedulingGates") or ()):
        if gate.get("name") not in known:
            message = (
                f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            )
            yield not_allowed(f"spec.schedulingGates[{at}]", message)


def _deadline_update(before: Any, after: Any) -> Errors:
    old, new = before.get("activeDeadlineSeconds"), after.get("activeDeadlineSeconds")
    if old is None or old == new:
        return
    field = "spec.activeDeadlineSeconds"
    if new is None:
        yield wrong(field, new, "must not update from a positive integer to nil value")
    elif new > old:
        yield wrong(field, new, "must be less than or equal to previous value")


def _frozen(spec: Any, pattern: Any) -> Any:
    """The part of a spec that may not change: what may is taken from `pattern`."""
    out = dict(spec)
    for key in ("containers", "initContainers"):
        if key in spec:
            out[key] = [
                {**one, "image": other.get("image")}
                for one, other in zip(spec[key], pattern.get(key) or NOTHING, strict=False)
            ]
    free = ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0 and pattern.get("terminationGracePeriodSeconds") == 1:
        free.append("terminationGracePeriodSeconds")
    if spec.get("schedulingGates"):
        free += ["nodeSelector", "affinity"]
    for key in free:
        if key in pattern:
            out[key] = pattern[key]
        else:
            out.pop(key, None)
    return out
