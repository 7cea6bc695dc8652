"""The OpenAPI documents: what kinds look like, said to clients.

`/openapi/v3` lists one document a group and version; each holds the schemas of its kinds, all that
they refer to, and paths that say which kind stands where and that the server checks fields itself.
`/openapi/v2` is served in the smallest form that clients need who ask for it.

In Kubernetes: k8s.io/kube-openapi and k8s.io/apiserver/pkg/endpoints/openapi.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from kubelab.api import kinds
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import Obj, freeze
from kubelab.api.rest import Response, url
from kubelab.api.schema import openapi

JSON = Obj({"Content-Type": "application/json"})
PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# `swagger: "2.0"`, a title and a version, and no paths.
V2 = b"\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.36.2\x42\x00"
HASH = "1362"
Rows = tuple[Kind, ...]
ANY = {"type": "object"}


def answer(path: str, rows: Rows = kinds.ALL) -> Response | None:
    """The document at a path, or None; `rows` are all kinds that are served."""
    if path == "/openapi/v2":
        return Response(200, Obj({"Content-Type": PROTOBUF}), V2)
    if path == "/openapi/v3":
        return Response(200, JSON, _index(rows))
    version = path.removeprefix("/openapi/v3/")
    if version == path or version not in _versions(rows):
        return None
    return Response(200, JSON, _document(_versions(rows)[version], version))


@lru_cache(maxsize=8)
def _versions(rows: Rows) -> dict[str, Rows]:
    found: dict[str, list[Kind]] = {}
    for kind in rows:
        found.setdefault(kind.path.strip("/"), []).append(kind)
    return {path: tuple(members) for path, members in found.items()}


@lru_cache(maxsize=8)
def _index(rows: Rows) -> Obj:
    paths = {}
    for path, members in _versions(rows).items():
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(members)}"}
    return freeze({"paths": paths})  # type: ignore[no-any-return]


def _hash(members: Rows) -> str:
    """Another one for each form of a document; what is built in never changes."""
    if not any(isinstance(kind, CustomKind) for kind in members):
        return HASH
    text = repr([(kind, getattr(kind, "schema", None)) for kind in members])
    return hashlib.sha256(text.encode()).hexdigest().upper()


@lru_cache(maxsize=128)
def _document(members: Rows, version: str) -> Obj:
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for kind in members:
        if isinstance(kind, CustomKind):
            _define(kind, schemas)
        else:
            name = openapi.name_of(kind.api_version, kind.kind)
            if name is not None:
                _collect(name, schemas)
        place = url(kind, "{namespace}") if kind.namespaced else url(kind)
        paths[place] = _operations(kind, ("get", "post"))
        paths[f"{place}/{{name}}"] = _operations(kind, ("get", "put", "patch", "delete"))
    document = {
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.2"},
        "paths": paths, "components": {"schemas": schemas},
    }  # fmt: skip
    return freeze(document)  # type: ignore[no-any-return]


def _define(kind: CustomKind, schemas: dict[str, Any]) -> None:
    """Adds the schema of a custom resource, with the fields that every object has."""
    meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    _collect(meta, schemas)
    deployment = openapi.descriptions().get("io.k8s.api.apps.v1.Deployment", {})
    head = {
        "apiVersion": {"type": "string", "description": deployment.get("apiVersion", "")},
        "kind": {"type": "string", "description": deployment.get("kind", "")},
        "metadata": {
            "allOf": [{"$ref": f"#/components/schemas/{meta}"}], "default": {},
            "description": "Standard object's metadata.",
        },
    }  # fmt: skip
    about = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    schemas[name_of(kind)] = {
        **kind.schema,
        "properties": {**head, **{
            key: value for key, value in (kind.schema.get("properties") or {}).items()
            if key not in head
        }},
        "x-kubernetes-group-version-kind": [about],
    }  # fmt: skip


def name_of(kind: Kind) -> str:
    """`example.stable.v1.CronTab`: the name of a custom resource's schema."""
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _operations(kind: Kind, methods: tuple[str, ...]) -> dict[str, Any]:
    about = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    asked = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    return {
        method: {
            "x-kubernetes-group-version-kind": about,
            "parameters": [] if method == "get" else asked,
            "responses": {"200": {"description": "OK"}},
        }
        for method in methods
    }


def _collect(name: str, schemas: dict[str, Any]) -> None:
    """Adds a definition, with its descriptions, and all that it refers to."""
    if name in schemas:
        return
    # What has no definition in the data is told as an object of any form.
    schema = dict(openapi.definitions().get(name, ANY))
    said = openapi.descriptions().get(name, {})
    schemas[name] = schema
    if said.get(""):
        schema["description"] = said[""]
    fields = {}
    for field, value in schema.get("properties", {}).items():
        if "$ref" in value:
            rest = {key: item for key, item in value.items() if key != "$ref"}
            value = {"allOf": [{"$ref": value["$ref"]}], "default": {}, **rest}
        fields[field] = {**value, "description": said[field]} if said.get(field) else value
    if fields:
        schema["properties"] = fields
    for reference in _references(schema):
        _collect(reference, schemas)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        found = [str(value["$ref"]).rpartition("/")[2]] if "$ref" in value else []
        return found + [name for item in value.values() for name in _references(item)]
    if isinstance(value, list):
        return [name for item in value for name in _references(item)]
    return []
