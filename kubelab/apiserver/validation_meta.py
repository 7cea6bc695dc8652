"""Validation of what all objects have: metadata, labels, selectors.

In Kubernetes: k8s.io/apimachinery/pkg/api/validation/objectmeta.go and
pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kubelab.api.fielderrors import FieldError, not_allowed, required, too_long, wrong
from kubelab.api.kinds import CustomKind, Kind
from kubelab.apiserver import formats
from kubelab.sim.tree import EMPTY, Obj, get

Errors = Iterator[FieldError]
Form = Callable[[str], tuple[str, ...]]

_ANNOTATIONS_LIMIT_BYTES = 256 * 1024
# Groups whose finalizers only need to have the form of a name.
_EXTENSIONS = ("apiextensions.k8s.io", "apiregistration.k8s.io")
_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_PATH_NAMES = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "APIService")
_LABEL_NAMES = ("Namespace", "Service", "StatefulSet")

# Kinds that may not be overwritten without naming the version that was read.
CONDITIONAL = (
    "APIService", "CSIDriver", "CSINode", "CustomResourceDefinition", "FlowSchema", "Lease",
    "MutatingWebhookConfiguration", "PodDisruptionBudget", "PriorityLevelConfiguration",
    "RuntimeClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration", "VolumeAttachment",
)  # fmt: skip


def each_wrong(field: str, value: Any, messages: Iterable[str]) -> Errors:
    """One error for each complaint about a value."""
    for message in messages:
        yield wrong(field, value, message)


def not_negative(value: Any, field: str) -> Errors:
    """A number, if given, is not below zero."""
    if value is not None and value < 0:
        yield wrong(field, value, formats.NOT_NEGATIVE)


def cron_job_name(name: str) -> tuple[str, ...]:
    """The names of a CronJob's Jobs are eleven characters longer than its own."""
    return formats.subdomain(name) or ((formats.longer(52),) if len(name) > 52 else ())


def name_form(kind: Kind) -> Form:
    """The form that names of a kind must have."""
    if isinstance(kind, CustomKind):
        return formats.subdomain
    if kind.kind in _LABEL_NAMES:
        return formats.label
    if kind.kind in _PATH_NAMES:
        return formats.path_segment
    return cron_job_name if kind.kind == "CronJob" else formats.subdomain


def metadata(kind: Kind, obj: Obj) -> Errors:
    """The metadata of an object that is to be created."""
    meta = obj.get("metadata") or EMPTY
    form = name_form(kind)
    prefix, name = meta.get("generateName") or "", meta.get("name") or ""
    if prefix:
        # A trailing dash is no fault in a prefix: something will follow.
        probe = f"{prefix[:-2]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix
        yield from each_wrong("metadata.generateName", prefix, form(probe))
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif kind.kind not in ("IPAddress", "CustomResourceDefinition"):
        yield from each_wrong("metadata.name", name, form(name))
    namespace = meta.get("namespace") or ""
    if kind.namespaced:
        if not namespace:
            yield required("metadata.namespace")
        yield from each_wrong("metadata.namespace", namespace, formats.label(namespace))
    elif namespace:
        yield not_allowed("metadata.namespace", "not allowed on this type")
    yield from _common(kind, meta)


def _common(kind: Kind, meta: Any) -> Errors:
    yield from labels(meta.get("labels"), "metadata.labels")
    yield from annotation_map(meta.get("annotations"), "metadata.annotations")
    yield from owners(meta.get("ownerReferences") or ())
    for at, finalizer in enumerate(meta.get("finalizers") or ()):
        if isinstance(kind, CustomKind) or kind.group in _EXTENSIONS:
            yield from each_wrong("metadata.finalizers", finalizer, formats.qualified(finalizer))
        else:
            yield from _finalizer(finalizer, f"metadata.finalizers[{at}]")


def _finalizer(name: str, field: str) -> Errors:
    yield from each_wrong(field, name, formats.qualified(name))
    if "/" not in name and name not in _FINALIZERS:
        message = "name is neither a standard finalizer name nor is it fully qualified"
        yield wrong(field, name, message)


def metadata_update(kind: Kind, old: Obj, new: Obj) -> Errors:
    """The metadata of an object that is to be changed."""
    before, after = old["metadata"], new["metadata"]
    if kind.kind in CONDITIONAL and not isinstance(kind, CustomKind):
        if not after.get("resourceVersion"):
            yield wrong("metadata.resourceVersion", 0, "must be specified for an update")
    if before is after:
        return
    errors = list(_changed_metadata(kind, before, after))
    # The generic registry and the kind's own strategy both look, and both say what they find.
    yield from errors
    yield from errors


def _changed_metadata(kind: Kind, before: Any, after: Any) -> Errors:
    if before.get("deletionTimestamp"):
        held = before.get("finalizers") or ()
        added = [name for name in after.get("finalizers") or () if name not in held]
        if added:
            listed = ", ".join(f'"{name}"' for name in added)
            yield not_allowed(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{listed}}}",
            )
    yield from _common(kind, after)


def labels(held: Mapping[str, str] | None, field: str) -> Errors:
    """A map of labels."""
    if not held:
        return
    for key in sorted(held):
        yield from each_wrong(field, key, formats.qualified(key))
        yield from each_wrong(field, held[key], formats.label_value(held[key]))


def annotation_map(held: Mapping[str, str] | None, field: str) -> Errors:
    """A map of annotations: keys have a form, values only a size."""
    if not held:
        return
    for key in sorted(held):
        yield from each_wrong(field, key, formats.qualified(key.lower()))
    size = sum(len(key.encode()) + len(value.encode()) for key, value in held.items())
    if size > _ANNOTATIONS_LIMIT_BYTES:
        yield too_long(field, _ANNOTATIONS_LIMIT_BYTES)


def owners(references: Sequence[Any]) -> Errors:
    """The owners of an object; at most one is its controller."""
    field = "metadata.ownerReferences"
    controller = None
    for reference in references:
        for key, message in (
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ):
            if not reference.get(key):
                yield wrong(f"{field}.{key}", reference.get(key) or "", message)
        if reference.get("controller"):
            if controller is not None:
                first = f"{controller['kind']}/{controller['name']}"
                second = f"{reference['kind']}/{reference['name']}"
                yield wrong(
                    field,
                    references,
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {first} and {second}',
                )
            controller = reference


def selector(held: Any, field: str) -> Errors:
    """A LabelSelector."""
    if held is None:
        return
    yield from labels(held.get("matchLabels"), f"{field}.matchLabels")
    for at, item in enumerate(held.get("matchExpressions") or ()):
        yield from _expression(item, f"{field}.matchExpressions[{at}]")


def _expression(item: Any, field: str) -> Errors:
    operator, values = item.get("operator") or "", item.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            message = "must be specified when `operator` is 'In' or 'NotIn'"
            yield required(f"{field}.values", message)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            message = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield not_allowed(f"{field}.values", message)
    else:
        yield wrong(f"{field}.operator", operator, "not a valid selector operator")
    key = item.get("key") or ""
    yield from each_wrong(f"{field}.key", key, formats.qualified(key))
    for at, value in enumerate(values):
        yield from each_wrong(f"{field}.values[{at}]", value, formats.label_value(value))


def immutable(old: Any, new: Any, field: str) -> Errors:
    """A field that may not change once it is set."""
    path = field.split(".")
    before, after = get(old, *path), get(new, *path)
    if before != after:
        yield wrong(field, after, formats.IMMUTABLE)
