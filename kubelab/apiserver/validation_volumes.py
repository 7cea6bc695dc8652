"""Validation of volumes: each has one source, and the source what it needs.

In Kubernetes: pkg/apis/core/validation/validation.go, ValidateVolumes and validateVolumeSource.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubelab.api.fielderrors import duplicate, not_allowed, required, unsupported, wrong
from kubelab.apiserver import formats
from kubelab.apiserver.validation_meta import Errors, each_wrong

# The sources in the order in which they are looked at, with the fields that each must have.
SOURCES: dict[str, tuple[str, ...]] = {
    "emptyDir": (),
    "hostPath": ("path",),
    "gitRepo": ("repository",),
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "secret": ("secretName",),
    "nfs": ("server", "path"),
    "iscsi": ("targetPortal", "iqn"),
    "glusterfs": ("endpoints", "path"),
    "flocker": (),
    "persistentVolumeClaim": ("claimName",),
    "rbd": ("monitors", "image"),
    "cinder": ("volumeID",),
    "cephfs": ("monitors",),
    "quobyte": ("registry", "volume"),
    "downwardAPI": (),
    "fc": (),
    "flexVolume": ("driver",),
    "configMap": ("name",),
    "azureFile": ("secretName", "shareName"),
    "vsphereVolume": ("volumePath",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "storageos": (),
    "projected": (),
    "scaleIO": ("gateway", "system", "volumeName"),
    "csi": ("driver",),
    "ephemeral": ("volumeClaimTemplate",),
    "image": ("reference",),
    "local": ("path",),
}
HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate",
    "Socket",
)  # fmt: skip
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"


def volumes(held: Sequence[Any], field: str) -> Errors:
    """The volumes of a pod."""
    names: list[str] = []
    for at, volume in enumerate(held):
        path = f"{field}[{at}]"
        yield from sources(volume, path)
        name = volume.get("name") or ""
        if not name:
            yield required(f"{path}.name")
        else:
            yield from each_wrong(f"{path}.name", name, formats.label(name))
            if name in names:
                yield duplicate(f"{path}.name", name)
            names.append(name)


def sources(held: Any, path: str) -> Errors:
    """The one source of a volume."""
    given = 0
    for source, needed in SOURCES.items():
        value = held.get(source)
        if value is None:
            continue
        inner = f"{path}.{source}"
        if given:
            yield not_allowed(inner, "may not specify more than 1 volume type")
            continue
        given += 1
        for key in needed:
            if not value.get(key):
                yield required(f"{inner}.{key}")
        yield from _details(source, value, inner)
    if not given:
        yield required(path, "must specify a volume type")


def _details(source: str, value: Any, path: str) -> Errors:
    if source == "hostPath":
        if ".." in (value.get("path") or "").split("/"):
            yield wrong(f"{path}.path", value["path"], "must not contain '..'")
        if value.get("type") not in (None, *HOST_PATH_TYPES):
            yield unsupported(f"{path}.type", value["type"], HOST_PATH_TYPES)
    mode = value.get("defaultMode")
    if mode is not None and not 0 <= mode <= 0o777:
        yield wrong(f"{path}.defaultMode", mode, _MODE)
    for at, item in enumerate(value.get("items") or ()):
        yield from _item(source, item, f"{path}.items[{at}]")
    if source == "projected":
        for at, part in enumerate(value.get("sources") or ()):
            yield from _projection(part, f"{path}.sources[{at}]")


def _item(source: str, item: Any, path: str) -> Errors:
    if source in ("secret", "configMap") and not item.get("key"):
        yield required(f"{path}.key")
    if not item.get("path"):
        yield required(f"{path}.path")
    elif item["path"].startswith("/"):
        yield wrong(f"{path}.path", item["path"], "must be a relative path")
    elif ".." in item["path"].split("/"):
        yield wrong(f"{path}.path", item["path"], "must not contain '..'")


def _projection(part: Any, path: str) -> Errors:
    given = 0
    for source in (
        "secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle",
        "podCertificate",
    ):  # fmt: skip
        value = part.get(source)
        if value is None:
            continue
        inner = f"{path}.{source}"
        if given:
            yield not_allowed(inner, "may not specify more than 1 volume type per source")
            continue
        given += 1
        if source in ("secret", "configMap") and not value.get("name"):
            yield required(f"{inner}.name")
        if source == "serviceAccountToken" and not value.get("path"):
            yield required(f"{inner}.path")
        for at, item in enumerate(value.get("items") or ()):
            yield from _item(source, item, f"{inner}.items[{at}]")
