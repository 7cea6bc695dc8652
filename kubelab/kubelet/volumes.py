"""Volumes: what files a pod's volumes hold, and where its containers see them.

Pure functions of the pod and the objects it refers to. A kind of volume that is not modelled is
refused with a MountError, so that its pod waits and says why, and never runs without its files.

In Kubernetes: pkg/volume/* (configmap, secret, projected, downwardapi, emptydir, hostpath). Left
out: file modes and owners. What stands behind a claim is told in `claims.py`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from kubelab.api.objects import EMPTY, NOTHING, Obj, get, namespace_of, uid_of
from kubelab.kubelet import downward
from kubelab.kubelet.objectcache import ObjectCache, Ref
from kubelab.runtime.cri import Mount

CLAIMED = ("persistentVolumeClaim", "ephemeral")
# Directories of the node, or of the pod, that are empty at first and that nobody else writes.
DIRECTORIES = ("emptyDir", "hostPath", *CLAIMED)
KNOWN = (*DIRECTORIES, "configMap", "secret", "projected", "downwardAPI")
PLUGINS = {
    "emptyDir": "kubernetes.io~empty-dir",
    "configMap": "kubernetes.io~configmap",
    "secret": "kubernetes.io~secret",
    "projected": "kubernetes.io~projected",
    "downwardAPI": "kubernetes.io~downward-api",
}


class MountError(Exception):
    """Raised when a volume cannot be set up; the message is Kubernetes'."""


def kind_of(volume: Obj) -> str:
    """The kind of a volume: the name of its source."""
    kinds = [key for key in volume if key != "name"]
    return kinds[0] if kinds else "emptyDir"


def host_path(pod: Obj, volume: Obj, places: Mapping[str, str] = EMPTY) -> str:
    """Where on the node's disk a volume lies; of a claim `places` tells it."""
    kind = kind_of(volume)
    if kind == "hostPath":
        return str(volume["hostPath"]["path"])
    if kind in CLAIMED:
        return places.get(volume["name"], "")
    plugin = PLUGINS.get(kind, f"kubernetes.io~{kind.lower()}")
    return f"/var/lib/kubelet/pods/{uid_of(pod)}/volumes/{plugin}/{volume['name']}"


def volumes(pod: Obj) -> list[Obj]:
    """The volumes of a pod."""
    return get(pod, "spec", "volumes", default=NOTHING)  # type: ignore[no-any-return]


def refs(pod: Obj) -> list[Ref]:
    """The objects whose content is to be mounted."""
    namespace = namespace_of(pod)
    found: list[Ref] = []
    for volume in volumes(pod):
        sources = get(volume, "projected", "sources", default=NOTHING)
        for source in (volume, *sources):
            if "configMap" in source:
                found.append(_ref("ConfigMap", namespace, source["configMap"], "name"))
            if "secret" in source:
                key = "secretName" if source is volume else "name"
                found.append(_ref("Secret", namespace, source["secret"], key))
    return found


def pull_secrets(pod: Obj) -> list[Ref]:
    """The Secrets with which images are to be pulled; a missing one is no reason to wait."""
    names = [item.get("name", "") for item in get(pod, "spec", "imagePullSecrets", default=())]
    return [Ref("Secret", namespace_of(pod), name, True) for name in names if name]


def _ref(kind: str, namespace: str, source: Obj, key: str) -> Ref:
    return Ref(kind, namespace, source.get(key, ""), bool(source.get("optional")))


def changes(pod: Obj) -> bool:
    """Whether the files of a pod's volumes may change while it runs."""
    return any(ref.name != "kube-root-ca.crt" for ref in refs(pod))


def files(pod: Obj, volume: Obj, cache: ObjectCache, context: downward.Context) -> dict[str, str]:
    """The files of a volume when it is set up. Raises MountError."""
    kind = kind_of(volume)
    if kind not in KNOWN:
        raise MountError(f"volumes of the kind {kind} are not part of this lab")
    if kind in DIRECTORIES:
        return {}
    if kind == "projected":
        merged: dict[str, str] = {}
        for source in get(volume, "projected", "sources", default=NOTHING):
            merged.update(_source(pod, source, cache, context, projected=True))
        return merged
    return _source(pod, volume, cache, context, projected=False)


def _source(
    pod: Obj, source: Obj, cache: ObjectCache, context: downward.Context, *, projected: bool
) -> dict[str, str]:
    """The files of one source of a volume."""
    namespace = namespace_of(pod)
    if "configMap" in source:
        return _chosen(
            _ref("ConfigMap", namespace, source["configMap"], "name"), source["configMap"], cache
        )
    if "secret" in source:
        key = "name" if projected else "secretName"
        return _chosen(_ref("Secret", namespace, source["secret"], key), source["secret"], cache)
    if "downwardAPI" in source:
        items = get(source, "downwardAPI", "items", default=NOTHING)
        return {item["path"]: downward.value(pod, item, context) for item in items}
    if "serviceAccountToken" in source:
        path = get(source, "serviceAccountToken", "path", default="token")
        return {path: _token(pod, source["serviceAccountToken"])}
    kinds = ", ".join(source)
    raise MountError(f"a projected volume of {kinds} is not part of this lab")


def _chosen(ref: Ref, source: Obj, cache: ObjectCache) -> dict[str, str]:
    """The keys of a ConfigMap or Secret, all or those that `items` names."""
    obj = cache.get(ref)
    if obj is None:
        if ref.optional:
            return {}
        raise MountError(cache.error(ref))
    data = content(obj)
    items = source.get("items")
    if not items:
        return data
    chosen: dict[str, str] = {}
    for item in items:
        if item["key"] in data:
            chosen[item["path"]] = data[item["key"]]
        elif not ref.optional:
            raise MountError(f"references non-existent {_word(ref)} key: {item['key']}")
    return chosen


def _word(ref: Ref) -> str:
    return "config" if ref.kind == "ConfigMap" else "secret"


def content(obj: Obj) -> dict[str, str]:
    """The keys of a ConfigMap or Secret with their texts."""
    found = dict(obj.get("data") or EMPTY)
    if obj.get("kind") == "Secret":
        found = {key: decoded(value) for key, value in found.items()}
    for key, value in (obj.get("binaryData") or EMPTY).items():
        found[key] = decoded(value)
    return found


def decoded(value: Any) -> str:
    """The text of base64."""
    try:
        return base64.b64decode(value or "").decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _token(pod: Obj, source: Obj) -> str:
    """A token of the pod's service account: always the same for the same pod and audience."""
    account = get(pod, "spec", "serviceAccountName", default="default")
    audience = source.get("audience", "https://kubernetes.default.svc.cluster.local")
    subject = f"system:serviceaccount:{namespace_of(pod)}:{account}"
    claims = f'{{"aud":["{audience}"],"sub":"{subject}","pod":"{uid_of(pod)}"}}'
    head, body = (
        base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        for text in ('{"alg":"RS256","typ":"JWT"}', claims)
    )
    return f"{head}.{body}.{hashlib.sha256(claims.encode()).hexdigest()}"


def mounts(pod: Obj, container: Obj, places: Mapping[str, str]) -> tuple[Mount, ...]:
    """Where a container sees the pod's volumes."""
    by_name = {volume["name"]: volume for volume in volumes(pod)}
    found = []
    for mount in container.get("volumeMounts") or ():
        volume = by_name.get(mount["name"])
        if volume is None:
            continue
        read_only = bool(mount.get("readOnly")) or kind_of(volume) in (
            "configMap",
            "secret",
            "projected",
            "downwardAPI",
        )
        found.append(
            Mount(
                mount["mountPath"].rstrip("/") or "/",
                host_path(pod, volume, places),
                read_only,
                mount.get("subPath", ""),
            )
        )
    return tuple(found)
