"""The OpenAPI documents: what kinds look like, said to clients.

`/openapi/v3` lists one document a group and version; each holds the schemas of its kinds, all that
they refer to, and paths that say which kind stands where and that the server checks fields itself.
`/openapi/v2` is one document with everything, as JSON or (kubectl's wish) as protobuf.

In Kubernetes: k8s.io/kube-openapi and k8s.io/apiserver/pkg/endpoints/openapi. Left out: paths of
subresources and watches, v3 as protobuf.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from kubelab.api import kinds
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import Obj, freeze, thaw
from kubelab.api.rest import Request, Response, url
from kubelab.api.schema import openapi
from kubelab.apiserver import documents, openapi_wire

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# As clients ask for it: the same form under its name of today.
ASKED_PROTOBUF = (PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
INFO = {"title": "Kubernetes", "version": "v1.36.2"}
BUILT_IN = "1362"
Rows = tuple[Kind, ...]
ANY = {"type": "object"}


def answer(request: Request, rows: Rows = kinds.ALL, now_ns: int = 0) -> Response | None:
    """The document at a path, or None; `rows` are all kinds that are served."""
    path = request.path.rstrip("/")
    if path == "/openapi/v2":
        return _second(request, rows)
    if path == "/openapi/v3":
        tag = documents.digest(_hash(rows))
        return documents.answer(request, tag, {"Content-Type": TEXT}, _index(rows))
    version = path.removeprefix("/openapi/v3/")
    if version == path or version not in _versions(rows):
        return None
    wished = [type_ for type_, _ in documents.media(request)]
    if not any(type_ in (JSON, "application/*", "*/*") for type_ in wished):
        return Response(406, Obj({"Content-Type": TEXT, "Vary": "Accept"}), "")
    members = _versions(rows)[version]
    body = _document(members, version)
    return documents.answer(
        request, _tag(members, version), {"Content-Type": JSON}, body, now_ns, path
    )


def _second(request: Request, rows: Rows) -> Response:
    """The document with everything, in the first form of those asked for that there is."""
    tag = documents.digest("v2 " + _hash(rows))
    for type_, _ in documents.media(request):
        if type_ in ASKED_PROTOBUF:
            body = _packed(rows)
            return documents.answer(request, tag, {"Content-Type": PROTOBUF}, body)
        if type_ in (JSON, "application/*", "*/*"):
            return documents.answer(request, tag, {"Content-Type": JSON}, _swagger(rows))
    return Response(406, Obj({"Content-Type": TEXT, "Vary": "Accept"}), "")


@lru_cache(maxsize=8)
def _versions(rows: Rows) -> dict[str, Rows]:
    found: dict[str, list[Kind]] = {}
    for kind in rows:
        found.setdefault(kind.path.strip("/"), []).append(kind)
    return {path: tuple(members) for path, members in found.items()}


@lru_cache(maxsize=8)
def _index(rows: Rows) -> Obj:
    paths = {}
    for path, members in sorted(_versions(rows).items()):
        where = f"/openapi/v3/{path}?hash={_tag(members, path)}"
        paths[path] = {"serverRelativeURL": where}
    return freeze({"paths": paths})  # type: ignore[no-any-return]


def _tag(members: Rows, path: str) -> str:
    return documents.digest(f"{path} {_hash(members)}")


def _hash(members: Rows) -> str:
    """Another text for each form of a document; what is built in never changes."""
    custom = [kind for kind in members if isinstance(kind, CustomKind)]
    if not custom:
        return f"{BUILT_IN} {len(members)}"
    return repr([(kind, getattr(kind, "schema", None)) for kind in custom])


# The second version.


@lru_cache(maxsize=4)
def _swagger(rows: Rows) -> Obj:
    """The whole document: references point to `definitions`, parameters have plain types."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for path, members in sorted(_versions(rows).items()):
        document = _document(members, path)
        schemas.update(document["components"]["schemas"])
        for place, item in document["paths"].items():
            paths[place] = {method: _plain(item[method]) for method in item}
    text = json.dumps(thaw(freeze({name: schemas[name] for name in sorted(schemas)})))
    definitions = json.loads(text.replace('"#/components/schemas/', '"#/definitions/'))
    return freeze({  # type: ignore[no-any-return]
        "swagger": "2.0", "info": INFO, "paths": paths,
        "definitions": {name: _second_form(held) for name, held in definitions.items()},
        "security": [{"BearerToken": []}],
        "securityDefinitions": {"BearerToken": {
            "description": "Bearer Token authentication", "type": "apiKey",
            "name": "authorization", "in": "header",
        }},
    })  # fmt: skip


def _plain(operation: Any) -> Any:
    parameters = [
        {"name": row["name"], "in": row["in"], "type": "string", "uniqueItems": True}
        for row in operation.get("parameters") or ()
    ]
    return {**operation, "parameters": parameters}


def _second_form(schema: Any) -> Any:
    """A schema without what the second version does not know: `allOf` of one, defaults, choices."""
    if isinstance(schema, list):
        return [_second_form(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {}
    for key, value in schema.items():
        if key == "allOf" and len(value) == 1:
            out.update(value[0])
        elif key == "properties":
            out[key] = {name: _second_form(field) for name, field in value.items()}
        elif key in ("items", "additionalProperties"):
            out[key] = _second_form(value)
        elif key not in ("default", "oneOf", "anyOf", "not", "nullable"):
            out[key] = value
    return out


@lru_cache(maxsize=4)
def _packed(rows: Rows) -> bytes:
    return openapi_wire.document(_swagger(rows))


# The third version: a document a group and version.


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
        "openapi": "3.0.0", "info": INFO,
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
