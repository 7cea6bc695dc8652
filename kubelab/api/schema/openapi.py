"""Looks things up in the schema of the kinds that are served.

The schema is read from its file when it is first asked for and kept for the life of the process; it
is a constant, no part of any world. A definition is a plain dict in OpenAPI's form, and nobody may
change it. References are followed with `resolve`; what a list is merged by stands in the schema of
the field (`merge_key`, `patch_strategy`, `list_type`, `map_keys`).

In Kubernetes: k8s.io/kube-openapi and apimachinery/pkg/util/strategicpatch/meta.go.
"""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

NO_SCHEMA: Schema = {}


def _read(name: str) -> Any:
    packed = Path(__file__).with_name(name).read_bytes()
    return json.loads(zlib.decompress(packed))


@cache
def definitions() -> dict[str, Schema]:
    """All definitions by name (`io.k8s.api.core.v1.Pod`)."""
    found: dict[str, Schema] = _read("definitions.json.z")
    return found


@cache
def descriptions() -> dict[str, dict[str, str]]:
    """The descriptions of each definition by field; the empty field is the definition itself."""
    found: dict[str, dict[str, str]] = _read("descriptions.json.z")
    return found


@cache
def _by_kind() -> dict[tuple[str, str], str]:
    names: dict[tuple[str, str], str] = {}
    for name, schema in definitions().items():
        for entry in schema.get("x-kubernetes-group-version-kind", ()):
            group, version = entry["group"], entry["version"]
            api_version = f"{group}/{version}" if group else version
            names.setdefault((api_version, entry["kind"]), name)
    return names


def name_of(api_version: str, kind: str) -> str | None:
    """The name of a kind's definition, or None if it has none (a custom resource)."""
    return _by_kind().get((api_version, kind))


def definition(api_version: str, kind: str) -> Schema | None:
    """The definition of a kind, or None."""
    name = name_of(api_version, kind)
    return definitions()[name] if name else None


def reference(schema: Schema) -> str | None:
    """The name of the definition that a schema refers to, or None."""
    ref = schema.get("$ref")
    return ref.rpartition("/")[2] if ref else None


def resolve(schema: Schema) -> Schema:
    """The definition that a schema refers to, or the schema itself."""
    name = reference(schema)
    return definitions()[name] if name else schema


def field(schema: Schema, name: str) -> Schema:
    """The schema of a field of an object (a property, or the values of a map); empty if unknown."""
    holder = resolve(schema)
    known: Schema | None = holder.get("properties", NO_SCHEMA).get(name)
    if known is not None:
        return known
    values = holder.get("additionalProperties")
    return values if isinstance(values, dict) else NO_SCHEMA


def items(schema: Schema) -> Schema:
    """The schema of the items of a list."""
    found: Schema = resolve(schema).get("items", NO_SCHEMA)
    return found


def patch_strategy(schema: Schema) -> tuple[str, ...]:
    """How strategic merge patches a field: of `merge`, `replace`, `retainKeys`."""
    return tuple(str(schema.get("x-kubernetes-patch-strategy", "")).split(","))


def merge_key(schema: Schema) -> str:
    """The key by which a strategic merge patch finds the items of a list, or the empty string."""
    return str(schema.get("x-kubernetes-patch-merge-key", ""))


def list_type(schema: Schema) -> str:
    """`map`, `set` or `atomic`: how server-side apply sees a list."""
    return str(schema.get("x-kubernetes-list-type") or "atomic")


def map_keys(schema: Schema) -> tuple[str, ...]:
    """The keys that identify the items of a list of type `map`."""
    return tuple(schema.get("x-kubernetes-list-map-keys", ()))
