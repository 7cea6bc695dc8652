"""kubectl apply: make the cluster's object like the manifest.

What was applied last time is kept in an annotation of the object. So a field that the manifest no
longer has can be told from one that somebody else has set: a three-way merge of last applied,
wished and present object gives the patch. Where the object is not there it is created; where
nothing differs nothing is sent.

In Kubernetes: k8s.io/kubectl/pkg/cmd/apply (client-side apply).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from kubelab.api import errors, kinds, manifests, patch, strategic
from kubelab.api.errors import ApiError
from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj, freeze, get, name_of, namespace_of, thaw, with_, without
from kubelab.api.rest import MERGE_PATCH, STRATEGIC_PATCH, url

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
QUERY = "fieldManager=kubectl-client-side-apply&fieldValidation=Strict"
AGENT = {"User-Agent": "kubectl"}
# How often is asked for a kind that was defined just before.
TRIES = 200
# (method, path, body, headers) -> the answer's body; raises ApiError.
Call = Callable[..., Any]


def load(manifest: Any) -> list[Obj]:
    """The objects of a path, of YAML text, of a dict or of a list of dicts.

    Raises ApiError 400 for text that is no manifest, FileNotFoundError for a path that is none.
    """
    if isinstance(manifest, (list, tuple)):
        return [obj for part in manifest for obj in load(part)]
    try:
        if isinstance(manifest, dict):
            return manifests.unpack(manifest)
        return list(_from_text(manifest))
    except manifests.ManifestError as error:
        raise errors.bad_request(str(error)) from None


def _from_text(manifest: Any) -> Iterator[Obj]:
    if isinstance(manifest, os.PathLike):
        manifest = os.fspath(manifest)
    elif not isinstance(manifest, str):
        raise TypeError(
            f"a manifest is a path, YAML text, a dict or a list of them, not a "
            f"{type(manifest).__name__}"
        )
    if "\n" not in manifest and ":" not in manifest.replace(":\\", "").replace("://", ""):
        if not os.path.exists(manifest):
            raise FileNotFoundError(f'the path "{manifest}" does not exist')
        with open(manifest, encoding="utf-8") as file:
            manifest = file.read()
    yield from manifests.load(manifest)


def check_kind(call: Call, obj: Obj, objects: list[Obj]) -> None:
    """Refuses an object of a kind that is not served, before anything is changed.

    A kind may be defined by one of the `objects` that are applied with it.
    """
    group, kind = obj.get("apiVersion", "").rpartition("/")[0], obj.get("kind", "")
    for other in objects:
        spec = other.get("spec") or {}
        if spec.get("group") == group and get(spec, "names", "kind") == kind:
            return
    kind_for(call, obj)


def kind_for(call: Call, obj: Obj, tries: int = 1) -> Kind:
    """The kind of an object, built in or told by discovery. Raises ApiError 404.

    A kind that has just been defined is served a moment later: each of the `tries` lets one pass.
    """
    api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
    row = kinds.find(api_version, kind)
    group, _, version = api_version.rpartition("/")
    for _ in range(tries if row is None and group else 0):
        try:
            served = call("GET", f"/apis/{api_version}", None, AGENT)["resources"]
        except (ApiError, AttributeError):
            continue
        for held in served:
            if held["kind"] == kind and "/" not in held["name"]:
                return discovered(group, version, held)
    if row is None:
        near = kinds.suggest(kind)
        hint = f"; is {near} meant?" if near else ""
        text = f'no matches for kind "{kind}" in version "{api_version}"{hint}'
        raise errors.failure(404, text, "NotFound", {"kind": kind})
    return row


def discovered(group: str, version: str, row: Obj) -> Kind:
    """A kind as discovery tells it."""
    return Kind(
        group, version, row["kind"], row["name"], row.get("singularName") or row["kind"].lower(),
        row["namespaced"], tuple(row.get("shortNames") or ()), tuple(row.get("categories") or ()),
        tuple(row["verbs"]), (), f"/{group}/", (),
    )  # fmt: skip


def told(obj: Obj) -> tuple[str, Obj]:
    """What the user does, in words and as detail of the event that begins it."""
    detail: dict[str, Any] = {"kind": obj["kind"], "name": name_of(obj)}
    text = f"apply {obj['kind']} {name_of(obj)}"
    replicas = get(obj, "spec", "replicas")
    if replicas is not None:
        detail["replicas"] = replicas
        text += f" with {replicas} replica{'' if replicas == 1 else 's'}"
    return text, freeze(detail)


def annotated(obj: Obj) -> Obj:
    """The object with itself, as text, in the annotation that remembers it."""
    plain = thaw(obj)
    annotations = plain.setdefault("metadata", {}).setdefault("annotations", {})
    annotations.pop(LAST_APPLIED, None)
    text = json.dumps(plain, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    noted: Obj = with_(obj, ("metadata", "annotations", LAST_APPLIED), text + "\n")
    return noted


def apply(call: Call, obj: Obj) -> Obj:
    """Makes the cluster's object like `obj`; returns it as it then is. Raises ApiError."""
    return outcome(call, obj, TRIES)[0]


def outcome(call: Call, obj: Obj, tries: int = 1) -> tuple[Obj, str]:
    """As `apply`, with kubectl's word for it: created, configured, unchanged."""
    kind = kind_for(call, obj, tries)
    namespace = namespace_of(obj) or "default"
    if kind.namespaced and not namespace_of(obj):
        obj = with_(obj, ("metadata", "namespace"), namespace)
    wished = annotated(obj)
    if not name_of(obj):
        # Refused by the server in its own words (kubectl apply cannot use generateName).
        return call("POST", f"{url(kind, namespace)}?{QUERY}", wished, AGENT), "created"
    path = url(kind, namespace, name_of(obj))
    live = _find(call, path)
    if live is None:
        return call("POST", f"{url(kind, namespace)}?{QUERY}", wished, AGENT), "created"
    before = get(live, "metadata", "annotations", LAST_APPLIED)
    original = freeze(json.loads(before)) if before else Obj()
    custom = kinds.find(kind.api_version, kind.kind) is None
    if custom:
        change = freeze(strategic.merge_difference(original, wished, live))
    else:
        change = freeze(patch.three_way(original, wished, live, kind))
    if not change or _is_nothing(change, live):
        return live, "unchanged"
    # Custom resources have no merge keys: of lists the whole is sent.
    headers = {**AGENT, "Content-Type": MERGE_PATCH if custom else STRATEGIC_PATCH}
    changed = call("PATCH", f"{path}?{QUERY}", change, headers)
    same = get(changed, "metadata", "resourceVersion") == get(live, "metadata", "resourceVersion")
    return changed, "unchanged" if same else "configured"


def _find(call: Call, path: str) -> Obj | None:
    """The object as it is, or None where it is not."""
    try:
        found: Obj = call("GET", path, None, AGENT)
    except ApiError as error:
        if error.code != 404 or error.reason != "NotFound":
            raise
        return None
    return found


def _is_nothing(change: Obj, live: Obj) -> bool:
    """Whether a patch says only what is so already."""
    rest = without(change, ("metadata", "annotations", LAST_APPLIED))
    rest = (
        without(rest, ("metadata", "annotations"))
        if not get(rest, "metadata", "annotations")
        else rest
    )
    rest = without(rest, ("metadata",)) if not rest.get("metadata") else rest
    same = get(change, "metadata", "annotations", LAST_APPLIED) in (
        None,
        get(live, "metadata", "annotations", LAST_APPLIED),
    )
    return not rest and same
