"""What is served of CustomResourceDefinitions: a row of the kinds' table for each version.

A definition is served once its names are accepted. Its rows (`CustomKind`) are made anew when it
changes and are looked up by path as the built-in ones are; everything else that is particular to a
custom resource follows from its row: decoding, defaults and validation by its schema, printer
columns, the scale subresource. All objects are stored in one version; conversion between versions
changes nothing but the apiVersion.

In Kubernetes: k8s.io/apiextensions-apiserver/pkg/apiserver/customresource_handler.go. Left out:
conversion webhooks, which are refused by name.
"""

from __future__ import annotations

import re

from kubelab.api import kinds
from kubelab.api.kinds import CustomKind
from kubelab.api.objects import EMPTY, NOTHING, Obj, get, merged, with_
from kubelab.apiserver import structural

DEFINITIONS = "/registry/apiextensions.k8s.io/customresourcedefinitions/"
VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def condition(definition: Obj, type_: str) -> Obj:
    """A condition of a definition, or nothing."""
    held = get(definition, "status", "conditions", default=NOTHING) or NOTHING
    return next((item for item in held if item.get("type") == type_), EMPTY)


def is_true(definition: Obj, type_: str) -> bool:
    """Whether a condition of a definition is true."""
    return condition(definition, type_).get("status") == "True"


def prefix_of(definition: Obj) -> str:
    """The directory of a definition's objects."""
    spec = definition["spec"]
    return f"/registry/{spec['group']}/{spec['names']['plural']}/"


def rows(definition: Obj) -> list[CustomKind]:
    """The rows of the versions that a definition serves, best first."""
    if not is_true(definition, "Established") and not is_true(definition, "NamesAccepted"):
        return []
    spec, names = definition["spec"], get(definition, "status", "acceptedNames", default=EMPTY)
    storage = next(v["name"] for v in spec["versions"] if v.get("storage"))
    served = [version for version in spec["versions"] if version.get("served")]
    served.sort(key=lambda version: order(version["name"]))
    return [_row(definition, spec, names, version, storage) for version in served]


def _row(definition: Obj, spec: Obj, names: Obj, version: Obj, storage: str) -> CustomKind:
    doors = version.get("subresources") or EMPTY
    kind = names.get("kind") or spec["names"]["kind"]
    api_version = f"{spec['group']}/{version['name']}"
    warning = version.get("deprecationWarning") or f"{api_version} {kind} is deprecated"
    return CustomKind(
        group=spec["group"],
        version=version["name"],
        kind=kind,
        plural=spec["names"]["plural"],
        singular=names.get("singular") or kind.lower(),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        verbs=VERBS,
        subresources=tuple(door for door in ("status", "scale") if doors.get(door) is not None),
        prefix=prefix_of(definition),
        field_labels=tuple(
            field["jsonPath"].lstrip(".") for field in version.get("selectableFields") or ()
        ),
        schema=get(version, "schema", "openAPIV3Schema", default=EMPTY),
        columns=version.get("additionalPrinterColumns") or NOTHING,
        scale=doors.get("scale") or EMPTY,
        storage=storage,
        listed=names.get("listKind") or f"{kind}List",
        terminating=is_true(definition, "Terminating"),
        deprecation=warning if version.get("deprecated") else "",
    )


def order(version: str) -> tuple[int, int, int, str]:
    """Versions as Kubernetes ranks them: stable before beta before alpha, higher before lower."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return 3, 0, 0, version
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return stage, -int(found[1]), -int(found[3] or 0), version


def stored(kind: CustomKind, obj: Obj) -> Obj:
    """An object as it is stored."""
    version = f"{kind.group}/{kind.storage}"
    return obj if obj.get("apiVersion") == version else merged(obj, apiVersion=version)


def shown(kind: CustomKind, obj: Obj) -> Obj:
    """A stored object in the version of a row: pruned and with defaults by its schema."""
    if obj.get("apiVersion") != kind.api_version:
        obj = merged(obj, apiVersion=kind.api_version)
    return filled(kind, structural.pruned(kind.schema, obj)[0])


def filled(kind: CustomKind, obj: Obj) -> Obj:
    """An object with the defaults of its schema; metadata has none."""
    full: Obj = structural.defaulted(kind.schema, obj)
    return full


# The scale subresource.


def _path(kind: CustomKind, field: str) -> list[str]:
    return [step for step in str(kind.scale.get(field) or "").split(".") if step]


def replicas(kind: CustomKind, obj: Obj) -> tuple[int | None, int, str]:
    """The wished and the present number of replicas, and the selector, where its paths lead."""
    wished = get(obj, *_path(kind, "specReplicasPath"))
    status = get(obj, *_path(kind, "statusReplicasPath"), default=0)
    selector = _path(kind, "labelSelectorPath")
    return wished, status, str(get(obj, *selector, default="")) if selector else ""


def with_replicas(kind: CustomKind, obj: Obj, count: int) -> Obj:
    """The object with another wished number of replicas."""
    changed: Obj = with_(obj, _path(kind, "specReplicasPath"), count)
    return changed


def prepare_update(kind: CustomKind, old: Obj, new: Obj, subresource: str) -> Obj:
    """The object as it enters validation: status by its own door, and a new generation."""
    if subresource == "status":
        metadata = merged(
            old["metadata"],
            managedFields=get(new, "metadata", "managedFields"),
            resourceVersion=get(new, "metadata", "resourceVersion"),
        )
        return merged(old, metadata=metadata, status=new.get("status"))
    if kind.has_status:
        new = merged(new, status=old.get("status"))
    if {**new, "metadata": None} != {**old, "metadata": None}:
        generation = get(old, "metadata", "generation", default=0) + 1
        new = with_(new, ("metadata", "generation"), generation)
    return new


def served(custom: dict[tuple[str, str, str], CustomKind]) -> tuple[kinds.Kind, ...]:
    """All rows that a server serves: the built-in ones, then the custom ones by group."""
    return (*kinds.ALL, *sorted(custom.values(), key=_rank)) if custom else kinds.ALL


def _rank(row: CustomKind) -> tuple[str, tuple[int, int, int, str], str]:
    return row.group, order(row.version), row.plural
