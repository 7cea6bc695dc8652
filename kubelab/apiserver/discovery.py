"""What the server serves, said to clients: groups, versions, resources, its version, its health.

Discovery exists in an old form (one document a group and version) and in an aggregated one (a
single document, asked for by its media type). Both are made from the table of kinds. The OpenAPI
documents stand in `openapi.py`.

In Kubernetes: k8s.io/apiserver/pkg/endpoints/discovery and pkg/endpoints/discovery/aggregated.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from kubelab.api import kinds
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import Obj, freeze
from kubelab.api.rest import Request, Response
from kubelab.apiserver import documents, health, openapi

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TEXT = Obj({"Content-Type": "text/plain; charset=utf-8"})
JSON = Obj({"Content-Type": "application/json"})
VERSION = freeze({
    "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
    "minCompatibilityMajor": "1", "minCompatibilityMinor": "35", "gitVersion": "v1.36.2",
    "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "", "compiler": "", "platform": "linux/amd64",
})  # fmt: skip
Rows = tuple[Kind, ...]


def answer(
    request: Request, address: str, rows: Rows = kinds.ALL, now_ns: int = 0
) -> Response | None:
    """The answer to a path of discovery, version or health; None for any other path.

    `rows` are all kinds that are served.
    """
    path = request.path.rstrip("/") or "/"
    if path.startswith("/openapi/"):
        found = openapi.answer(request, rows, now_ns)
        return found or Response(404, TEXT, "404 page not found\n")
    if path == "/version":
        return Response(200, JSON, VERSION)
    if health.asked(path):
        return health.answer(path, request)
    if path in ("/api", "/apis") and _wants_aggregated(request):
        whole, tag = _aggregated(rows, path == "/api")
        headers = {"Content-Type": AGGREGATED, "Cache-Control": "public"}
        return documents.answer(request, tag, headers, whole)
    if path == "/api":
        body = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": f"{address}:6443"}]}  # fmt: skip
        return Response(200, JSON, freeze(body))
    if path == "/apis":
        groups = [_group(rows, name) for name in _groups(rows)]
        return Response(200, JSON, freeze({"kind": "APIGroupList", "apiVersion": "v1",
                                           "groups": groups}))  # fmt: skip
    if path == "/":
        return Response(200, JSON, freeze({"paths": _paths(rows)}))
    parts = path.strip("/").split("/")
    if parts[0] == "apis" and len(parts) == 2 and parts[1] in _groups(rows):
        group = {"kind": "APIGroup", "apiVersion": "v1", **_group(rows, parts[1])}
        return Response(200, JSON, freeze(group))
    version = "/".join(parts[1:])
    if (parts[0], len(parts)) in (("api", 2), ("apis", 3)) and version in _by_version(rows):
        return Response(200, JSON, _resources(rows, version))
    return None if _is_served(rows, parts) else Response(404, TEXT, "404 page not found\n")


def _is_served(rows: Rows, parts: list[str]) -> bool:
    """Whether a path lies under a group that is served."""
    if parts[0] == "api":
        return len(parts) > 1 and parts[1] == "v1"
    if parts[0] != "apis":
        return False
    known = "/".join(parts[1:3]) in _by_version(rows)
    return known or (len(parts) > 3 and parts[1] in _groups(rows))


def _wants_aggregated(request: Request) -> bool:
    """Whether the first form asked for that is served is the aggregated one."""
    for type_, parameters in documents.media(request):
        if type_ in ("application/json", "application/*", "*/*"):
            if not parameters.get("as"):
                return False
            asked = (parameters["as"], parameters.get("g"), parameters.get("v"))
            if asked == ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2"):
                return True
    return False


@lru_cache(maxsize=8)
def _by_version(rows: Rows) -> dict[str, tuple[Kind, ...]]:
    found: dict[str, list[Kind]] = {}
    for kind in rows:
        found.setdefault(kind.api_version, []).append(kind)
    return {version: tuple(members) for version, members in found.items()}


def _groups(rows: Rows) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.group for row in rows if row.group))


def _group(rows: Rows, name: str) -> dict[str, Any]:
    versions = list(dict.fromkeys(kind.version for kind in rows if kind.group == name))
    said = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": said, "preferredVersion": said[0]}


def _paths(rows: Rows) -> list[str]:
    paths = {"/api", "/api/v1", "/apis", "/apis/", *health.PATHS, "/version"}
    for kind in rows:
        if kind.group:
            paths |= {f"/apis/{kind.group}", kind.path}
    return sorted(paths)


@lru_cache(maxsize=256)
def _resources(served: Rows, version: str) -> Obj:
    """The old form of one group and version."""
    rows: list[dict[str, Any]] = []
    for kind in _by_version(served)[version]:
        row: dict[str, Any] = {
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
            "kind": kind.kind, "verbs": verbs(kind),
        }  # fmt: skip
        if kind.short_names:
            row["shortNames"] = list(kind.short_names)
        if kind.categories:
            row["categories"] = list(kind.categories)
        rows.append(row)
        for name in kind.subresources:
            sub = kinds.subresource(kind, name)
            entry: dict[str, Any] = {
                "name": f"{kind.plural}/{name}", "singularName": "",
                "namespaced": kind.namespaced, "kind": sub.kind, "verbs": list(sub.verbs),
            }  # fmt: skip
            if sub.version and (sub.group, sub.version) != (kind.group, kind.version):
                entry |= {"group": sub.group, "version": sub.version}
            rows.append(entry)
    head: dict[str, Any] = {"kind": "APIResourceList"}
    if version != "v1":
        head["apiVersion"] = "v1"
    made: Obj = freeze({**head, "groupVersion": version, "resources": rows})
    return made


def verbs(kind: Kind) -> list[str]:
    """The verbs of a kind; while its definition goes, nothing of it is made or changed."""
    if isinstance(kind, CustomKind) and kind.terminating:
        return ["delete", "deletecollection", "get", "list", "watch"]
    return list(kind.verbs)


@lru_cache(maxsize=16)
def _aggregated(served: Rows, core: bool) -> tuple[Obj, str]:
    """The aggregated form, of the core group or of all named ones, and its hash."""
    items: list[dict[str, Any]] = []
    for group in ("",) if core else _groups(served):
        versions: list[dict[str, Any]] = []
        for rows in _by_version(served).values():
            if rows[0].group == group:
                resources = [_discovered(kind) for kind in rows]
                entry = {"version": rows[0].version, "resources": resources}
                versions.append({**entry, "freshness": "Current"})
        items.append({"metadata": {"name": group} if group else {}, "versions": versions})
    body = {
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": items,
    }  # fmt: skip
    return freeze(body), documents.digest(json.dumps(body))


def _response_kind(kind: Kind) -> dict[str, str]:
    """The kind of an answer; group and version are said of custom resources only."""
    if isinstance(kind, CustomKind):
        return {"group": kind.group, "version": kind.version, "kind": kind.kind}
    return {"group": "", "version": "", "kind": kind.kind}


def _discovered(kind: Kind) -> dict[str, Any]:
    row: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular, "verbs": verbs(kind),
    }  # fmt: skip
    if kind.short_names:
        row["shortNames"] = list(kind.short_names)
    if kind.categories:
        row["categories"] = list(kind.categories)
    subresources = []
    for name in kind.subresources:
        sub = kinds.subresource(kind, name)
        body = {"group": sub.group, "version": sub.version, "kind": sub.kind}
        if not sub.version:
            body = _response_kind(kind) | {"kind": sub.kind}
        subresources.append({"subresource": name, "responseKind": body, "verbs": list(sub.verbs)})
    if subresources:
        row["subresources"] = subresources
    return row
