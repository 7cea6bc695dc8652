"""The pages of volumes, claims, their classes, and of what nodes can do with them.

In Kubernetes: k8s.io/kubectl/pkg/describe/describe.go. Sources of single vendors are left out.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds
from kubelab.api.objects import Obj, annotations_of, get, name_of, namespace_of
from kubelab.kubectl.page import NONE, Page, when, words
from kubelab.kubectl.session import Session

POD = kinds.named("v1/Pod")
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
MODES = {
    "ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}  # fmt: skip


def _flag(value: Any) -> str:
    return "true" if value else "false"


def _modes(modes: Any) -> str:
    return ",".join(MODES.get(mode, mode) for mode in modes or ())


def _claim(session: Session, page: Page, obj: Obj, events: Any) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    page.head(obj)
    page.write(0, f"StorageClass:\t{spec.get('storageClassName', '')}")
    deleted = obj["metadata"].get("deletionTimestamp")
    phase = f"Terminating (lasts {page.ago(deleted)})" if deleted else status.get("phase", "")
    page.write(0, f"Status:\t{phase}")
    page.write(0, f"Volume:\t{spec.get('volumeName', '')}")
    page.marks(obj)
    page.write(0, f"Finalizers:\t{words(obj['metadata'].get('finalizers'))}")
    bound = spec.get("volumeName")
    capacity = get(status, "capacity", "storage", default="") if bound else ""
    page.write(0, f"Capacity:\t{capacity}")
    page.write(0, f"Access Modes:\t{_modes(status.get('accessModes')) if bound else ''}")
    if spec.get("volumeMode"):
        page.write(0, f"VolumeMode:\t{spec['volumeMode']}")
    users = [
        name_of(pod)
        for pod in session.list(POD, namespace_of(obj))
        for volume in get(pod, "spec", "volumes", default=())
        if get(volume, "persistentVolumeClaim", "claimName") == name_of(obj)
    ]
    source = spec.get("dataSource")
    if source:
        page.write(0, "DataSource:")
        if source.get("apiGroup"):
            page.write(1, f"APIGroup:\t{source['apiGroup']}")
        page.write(1, f"Kind:\t{source['kind']}")
        page.write(1, f"Name:\t{source['name']}")
    page.lines("Used By", users or [NONE])
    page.events(events)


def _volume(session: Session, page: Page, obj: Obj, events: Any) -> None:
    spec = obj.get("spec") or {}
    page.write(0, f"Name:\t{name_of(obj)}")
    page.marks(obj)
    page.write(0, f"Finalizers:\t{words(obj['metadata'].get('finalizers'))}")
    page.write(0, f"StorageClass:\t{spec.get('storageClassName', '')}")
    page.write(0, f"Status:\t{get(obj, 'status', 'phase', default='')}")
    claim = spec.get("claimRef")
    shown = f"{claim.get('namespace')}/{claim.get('name')}" if claim else ""
    page.write(0, f"Claim:\t{shown}")
    page.write(0, f"Reclaim Policy:\t{spec.get('persistentVolumeReclaimPolicy', '')}")
    page.write(0, f"Access Modes:\t{_modes(spec.get('accessModes'))}")
    if spec.get("volumeMode"):
        page.write(0, f"VolumeMode:\t{spec['volumeMode']}")
    page.write(0, f"Capacity:\t{get(spec, 'capacity', 'storage', default='0')}")
    _affinity(page, spec.get("nodeAffinity"))
    page.write(0, f"Message:\t{get(obj, 'status', 'message', default='')}")
    page.write(0, "Source:")
    if spec.get("hostPath"):
        page.write(2, "Type:\tHostPath (bare host directory volume)")
        page.write(2, f"Path:\t{spec['hostPath'].get('path')}")
        page.write(2, f"HostPathType:\t{spec['hostPath'].get('type', NONE)}")
    elif spec.get("csi"):
        _csi(page, spec["csi"])
    elif spec.get("nfs"):
        page.write(2, "Type:\tNFS (an NFS mount that lasts the lifetime of a pod)")
        page.write(2, f"Server:\t{spec['nfs'].get('server', '')}")
        page.write(2, f"Path:\t{spec['nfs'].get('path', '')}")
        page.write(2, f"ReadOnly:\t{_flag(spec['nfs'].get('readOnly'))}")
    elif spec.get("local"):
        page.write(2, "Type:\tLocalVolume (a persistent volume backed by local storage on a node)")
        page.write(2, f"Path:\t{spec['local'].get('path', '')}")
    else:
        page.write(1, "<unknown>")
    page.events(events)


def _affinity(page: Page, affinity: Any) -> None:
    """On which nodes a volume can be used."""
    if not affinity:
        page.write(0, f"Node Affinity:\t{NONE}")
        return
    page.write(0, "Node Affinity:\t")
    terms = get(affinity, "required", "nodeSelectorTerms", default=())
    if not terms:
        page.write(1, f"Required Terms:\t{NONE}")
        return
    page.write(1, "Required Terms:\t")
    for at, term in enumerate(terms):
        rows = [_expression(row) for row in term.get("matchExpressions") or ()]
        _term(page, 2, at, rows)


def _term(page: Page, level: int, at: int, rows: list[str]) -> None:
    page.write(level, f"Term {at}:\t{rows[0] if rows else NONE}")
    for row in rows[1:]:
        page.write(level, f"\t{row}")


def _expression(row: Any) -> str:
    values = f" [{', '.join(row['values'])}]" if row.get("values") else ""
    return f"{row['key']} {row['operator'].lower()}{values}"


def _csi(page: Page, source: Any) -> None:
    page.write(2, "Type:\tCSI (a Container Storage Interface (CSI) volume source)")
    for title, field in (
        ("Driver", "driver"),
        ("FSType", "fsType"),
        ("VolumeHandle", "volumeHandle"),
    ):
        page.write(2, f"{title}:\t{source.get(field, '')}")
    page.write(2, f"ReadOnly:\t{_flag(source.get('readOnly'))}")
    attributes = source.get("volumeAttributes") or {}
    rows = [f"{key}={attributes[key]}" for key in sorted(attributes)]
    page.write(2, f"VolumeAttributes:\t    {rows[0] if rows else NONE}")
    for row in rows[1:]:
        page.write(2, f"\t    {row}")


def _class(session: Session, page: Page, obj: Obj, events: Any) -> None:
    annotations = annotations_of(obj)
    page.write(0, f"Name:\t{name_of(obj)}")
    page.write(0, f"IsDefaultClass:\t{'Yes' if annotations.get(DEFAULT_CLASS) == 'true' else 'No'}")
    page.write(0, f"Annotations:\t{_pairs(annotations)}")
    page.write(0, f"Provisioner:\t{obj.get('provisioner', '')}")
    page.write(0, f"Parameters:\t{_pairs(obj.get('parameters'))}")
    grows = obj.get("allowVolumeExpansion")
    page.write(0, f"AllowVolumeExpansion:\t{'<unset>' if grows is None else str(bool(grows))}")
    options = obj.get("mountOptions")
    page.write(0, "MountOptions:" if options else f"MountOptions:\t{NONE}")
    for option in options or ():
        page.write(1, option)
    page.write(0, f"ReclaimPolicy:\t{obj.get('reclaimPolicy', '')}")
    page.write(0, f"VolumeBindingMode:\t{obj.get('volumeBindingMode', '')}")
    if obj.get("allowedTopologies"):
        page.write(0, "AllowedTopologies:\t")
        for at, term in enumerate(obj["allowedTopologies"]):
            rows = [
                _expression({**row, "operator": "in"})
                for row in term.get("matchLabelExpressions") or ()
            ]
            _term(page, 1, at, rows)
    page.events(events)


def _pairs(values: Any) -> str:
    return ",".join(f"{key}={values[key]}" for key in sorted(values)) if values else NONE


def _node(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.write(0, f"Name:\t{name_of(obj)}")
    page.marks(obj)
    page.write(0, f"CreationTimestamp:\t{when(obj['metadata'].get('creationTimestamp'))}")
    page.write(0, "Spec:")
    drivers = get(obj, "spec", "drivers", default=())
    page.write(1, "Drivers:")
    for driver in drivers:
        page.write(2, f"{driver['name']}:")
        page.write(3, f"Node ID:\t{driver.get('nodeID', '')}")
        count = get(driver, "allocatable", "count")
        if count is not None:
            page.write(3, "Allocatables:")
            page.write(4, f"Count:\t{count}")
        if driver.get("topologyKeys"):
            page.write(3, f"Topology Keys:\t{words(driver['topologyKeys'])}")
    page.events(events)


PAGES = {
    "PersistentVolumeClaim": _claim, "PersistentVolume": _volume, "StorageClass": _class,
    "CSINode": _node,
}  # fmt: skip
