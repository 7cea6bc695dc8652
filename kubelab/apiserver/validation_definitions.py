"""Validation of CustomResourceDefinitions: names, versions, and schemas that are structural.

A schema is structural if it says of every field what type it has, outside of all `anyOf`, `allOf`,
`oneOf` and `not`; only then can the server prune, fill in defaults and merge. Where all versions
have one schema, complaints name it as `spec.validation`, as Kubernetes does.

In Kubernetes: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation and
pkg/apiserver/schema/validation.go. Left out: the cost estimates of rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kubelab.api.fielderrors import FieldError, not_allowed, required, unsupported, wrong
from kubelab.apiserver import cel, formats, structural_check
from kubelab.apiserver.validation_meta import Errors, each_wrong
from kubelab.sim.tree import EMPTY, NOTHING, Obj

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_WORDS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_APPROVAL = "api-approved.kubernetes.io"
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_UNSUPPORTED = ("$ref", "definitions", "dependencies", "patternProperties", "additionalItems", "id")
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_LISTS = ("atomic", "map", "set")
_JUNCTIONS = ("anyOf", "allOf", "oneOf")
_QUADRATIC = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"


def label(name: str) -> tuple[str, ...]:
    """A name as RFC 1035 wants it."""
    if len(name) > 63:
        return (formats.longer(63),)
    return () if _LABEL.fullmatch(name) else (_LABEL_WORDS,)


def definition(obj: Obj) -> Errors:
    """A CustomResourceDefinition."""
    spec = obj.get("spec") or EMPTY
    metadata = obj.get("metadata") or EMPTY
    names, group = spec.get("names") or EMPTY, spec.get("group") or ""
    name = metadata.get("name") or ""
    if name != f"{names.get('plural') or ''}.{group}":
        yield wrong("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if re.search(r"(^|\.)(k8s|kubernetes)\.io$", group):
        if not (metadata.get("annotations") or EMPTY).get(_APPROVAL):
            field = f"metadata.annotations[{_APPROVAL}]"
            text = (
                f'protected groups must have approval annotation "{_APPROVAL}", see '
                "https://github.com/kubernetes/enhancements/pull/1111"
            )
            yield required(field, text)
    yield from _spec(spec, group, names)


def _spec(spec: Any, group: str, names: Any) -> Errors:
    if not group:
        yield required("spec.group")
    else:
        yield from each_wrong("spec.group", group, formats.subdomain(group))
        if "." not in group:
            yield wrong("spec.group", group, "should be a domain with at least one dot")
    scope = spec.get("scope") or ""
    if scope not in ("Cluster", "Namespaced"):
        yield unsupported("spec.scope", scope, ["Cluster", "Namespaced"])
    versions = spec.get("versions") or ()
    said = [version.get("name") or "" for version in versions]
    for at, version in enumerate(versions):
        yield from each_wrong(f"spec.versions[{at}].name", said[at], label(said[at]))
        if (version.get("schema") or EMPTY).get("openAPIV3Schema") is None:
            yield required(f"spec.versions[{at}].schema.openAPIV3Schema")
    if len(set(said)) != len(said):
        yield wrong("spec.versions", versions, "must contain unique version names")
    if sum(1 for version in versions if version.get("storage")) != 1:
        message = "must have exactly one version marked as storage version"
        yield wrong("spec.versions", versions or None, message)
    yield from _names(names)
    if spec.get("preserveUnknownFields"):
        yield wrong("spec.preserveUnknownFields", True, "must be false")
    strategy = (spec.get("conversion") or EMPTY).get("strategy")
    if strategy not in (None, "None", "Webhook"):
        yield unsupported("spec.conversion.strategy", strategy, ("None", "Webhook"))
    elif strategy == "Webhook" and not spec["conversion"].get("webhook"):
        text = "required when strategy is set to Webhook"
        yield required("spec.conversion.webhookClientConfig", text)
    yield from _versions(versions)


def _names(names: Any) -> Errors:
    for key in ("plural", "singular", "kind", "listKind"):
        held = names.get(key) or ""
        if not held:
            yield required(f"spec.names.{key}")
            continue
        if key in ("kind", "listKind"):
            for text in label(held.lower()):
                said = f"may have mixed case, but should otherwise match: {text}"
                yield wrong(f"spec.names.{key}", held, said)
        else:
            yield from each_wrong(f"spec.names.{key}", held, label(held))
    for key in ("shortNames", "categories"):
        for at, word in enumerate(names.get(key) or ()):
            yield from each_wrong(f"spec.names.{key}[{at}]", word, label(word))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        text = "kind and listKind may not be the same"
        yield wrong("spec.names.listKind", names["listKind"], text)


def _versions(versions: Any) -> Errors:
    """Schemas, subresources and columns; what all versions share is told once."""
    for key, shared, look in (
        ("schema", "spec.validation", _schema_of),
        ("subresources", "spec.subresources", _subresources),
        ("additionalPrinterColumns", "spec.additionalPrinterColumns", _columns),
    ):
        held = [version.get(key) for version in versions]
        if held and all(one == held[0] for one in held):
            if held[0]:
                yield from look(held[0], shared)
            continue
        for at, one in enumerate(held):
            if one:
                yield from look(one, f"spec.versions[{at}].{key}")


def _subresources(held: Any, path: str) -> Errors:
    scale = held.get("scale")
    if scale is None:
        return
    for key, roots, words in (
        ("specReplicasPath", (".spec.",), ".spec"),
        ("statusReplicasPath", (".status.",), ".status"),
        ("labelSelectorPath", (".spec.", ".status."), "either .spec or .status"),
    ):
        value = scale.get(key) or ""
        if not value and key != "labelSelectorPath":
            yield required(f"{path}.scale.{key}")
        elif value and not value.startswith(roots):
            yield wrong(f"{path}.scale.{key}", value, f"should be a json path under {words}")


def _columns(held: Any, path: str) -> Errors:
    for at, column in enumerate(held):
        for key in ("name", "type", "jsonPath"):
            if not column.get(key):
                yield required(f"{path}[{at}].{key}")
        if column.get("type") and column["type"] not in _COLUMN_TYPES:
            text = f"must be one of {','.join(_COLUMN_TYPES)}"
            yield wrong(f"{path}[{at}].type", column["type"], text)


def _schema_of(held: Any, path: str) -> Errors:
    schema = held.get("openAPIV3Schema")
    if isinstance(schema, dict):
        place = f"{path}.openAPIV3Schema"
        yield from _supported(schema, place)
        yield from sorted(_structural(schema, place, "root"), key=str)
        yield from _rules(schema, place)


def _parts(schema: Any, path: str) -> Iterator[tuple[Any, str]]:
    """The schemas within a schema that describe parts of the object."""
    for key, inner in (schema.get("properties") or EMPTY).items():
        yield inner, f"{path}.properties[{key}]"
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield schema[key], f"{path}.{key}"


def _supported(schema: Any, path: str) -> Errors:
    """What OpenAPI has and Kubernetes has not, and keywords that need others."""
    for key in _UNSUPPORTED:
        if schema.get(key):
            yield not_allowed(f"{path}.{key}", f"{key} is not supported")
    if schema.get("uniqueItems"):
        yield not_allowed(f"{path}.uniqueItems", _QUADRATIC)
    if schema.get("properties") and schema.get("additionalProperties") not in (None, True):
        text = "additionalProperties and properties are mutual exclusive"
        yield not_allowed(f"{path}.additionalProperties", text)
    if schema.get("type") and schema["type"] not in _TYPES:
        yield unsupported(f"{path}.type", schema["type"], _TYPES)
    if schema.get("default") is not None:
        yield from structural_check.complaints(schema, schema["default"], f"{path}.default")
    yield from _list_type(schema, path)
    for inner, place in _parts(schema, path):
        yield from _supported(inner, place)


def _list_type(schema: Any, path: str) -> Errors:
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys")
    if kind is not None and schema.get("type") != "array":
        text = "must be array if x-kubernetes-list-type is specified"
        yield wrong(f"{path}.type", schema.get("type") or "", text)
    if kind is not None and kind not in _LISTS:
        yield unsupported(f"{path}.x-kubernetes-list-type", kind, _LISTS)
    if kind == "map" and not keys:
        text = "must not be empty if x-kubernetes-list-type is map"
        yield required(f"{path}.x-kubernetes-list-map-keys", text)
    if keys and kind != "map":
        text = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield wrong(f"{path}.x-kubernetes-list-type", kind, text)
    items = schema.get("items") or EMPTY
    known = items.get("properties") or EMPTY
    for at, key in enumerate(keys or ()):
        if key not in known:
            text = "entries must all be names of item properties"
            yield wrong(f"{path}.x-kubernetes-list-map-keys[{at}]", key, text)
        elif key not in (items.get("required") or ()) and known[key].get("default") is None:
            text = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be "
                "a required property"
            )
            yield required(f"{path}.items.properties[{key}].default", text)


def _structural(schema: Any, path: str, level: str) -> Errors:
    kind = schema.get("type") or ""
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    either = bool(schema.get("x-kubernetes-int-or-string"))
    free = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if kind == "array" and schema.get("items") is None:
        yield required(f"{path}.items", "must be specified")
    for inner, place in _parts(schema, path):
        yield from _structural(inner, place, "item" if place.endswith(".items") else "field")
    if level == "root" and schema.get("additionalProperties") is not None:
        yield not_allowed(f"{path}.additionalProperties", "must not be used at the root")
    if either and free:
        text = "must be false if x-kubernetes-int-or-string is true"
        yield wrong(f"{path}.x-kubernetes-preserve-unknown-fields", True, text)
    yield from _nested(schema, path, either)
    if embedded and kind != "object":
        text = "must be object if x-kubernetes-embedded-resource is true"
        yield wrong(f"{path}.type", kind, text) if kind else required(f"{path}.type", text)
    elif not kind and not either and not free:
        words = {"root": "at the root", "item": "for specified array items",
                 "field": "for specified object fields"}[level]  # fmt: skip
        yield required(f"{path}.type", f"must not be empty {words}")
    if level == "root" and kind and kind != "object":
        yield wrong(f"{path}.type", kind, "must be object at the root")
    properties = schema.get("properties") or EMPTY
    if level == "root" and "metadata" in properties:
        more = [k for k in properties["metadata"].get("properties") or ()
                if k not in ("name", "generateName")]  # fmt: skip
        if more or set(properties["metadata"]) - {"type", "properties", "description", "default"}:
            text = (
                "must not specify anything other than name and generateName, but metadata is "
                "implicitly specified"
            )
            yield not_allowed(f"{path}.properties[metadata]", text)
    if embedded and not free and not properties:
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without "
            "x-kubernetes-preserve-unknown-fields"
        )
        yield required(f"{path}.properties", text)


def _nested(schema: Any, path: str, either: bool) -> Errors:
    """Within `anyOf` and its like only values may be judged, nothing be defined."""
    for key in _JUNCTIONS:
        held = schema.get(key) or NOTHING
        if key == "anyOf" and either and list(held) == _INT_OR_STRING:
            continue
        for at, inner in enumerate(held):
            alike = key == "allOf" and either and at == 0
            if not (alike and list(inner.get("anyOf") or ()) == _INT_OR_STRING):
                yield from _judging(inner, f"{path}.{key}[{at}]")
    if isinstance(schema.get("not"), dict):
        yield from _judging(schema["not"], f"{path}.not")
    if schema.get("pattern"):
        try:
            re.compile(schema["pattern"].replace("\\z", "\\Z"))
        except re.error as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            yield wrong(f"{path}.pattern", schema["pattern"], text)


def _judging(schema: Any, path: str) -> Errors:
    yield from _nested(schema, path, False)
    for inner, place in _parts(schema, path):
        yield from _judging(inner, place)
    for key, words in (
        ("type", "empty"), ("default", "undefined"), ("title", "empty"), ("description", "empty"),
        ("nullable", "false"), ("additionalProperties", "undefined"),
        ("x-kubernetes-preserve-unknown-fields", "false"),
        ("x-kubernetes-embedded-resource", "false"), ("x-kubernetes-int-or-string", "false"),
        ("x-kubernetes-list-type", "undefined"), ("x-kubernetes-list-map-keys", "empty"),
        ("x-kubernetes-map-type", "undefined"), ("x-kubernetes-validations", "empty"),
    ):  # fmt: skip
        if schema.get(key):
            yield not_allowed(f"{path}.{key}", f"must be {words} to be structural")


def _rules(schema: Any, path: str) -> Errors:
    for at, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        place = f"{path}.x-kubernetes-validations[{at}].rule"
        text = str(rule.get("rule") or "").strip()
        if not text:
            yield required(place, "rule is not specified")
            continue
        try:
            cel.program(text)
        except cel.CelError as error:
            shown = Obj({
                "Rule": rule["rule"], "Message": rule.get("message") or "",
                "MessageExpression": rule.get("messageExpression") or "",
                "Reason": rule.get("reason"), "FieldPath": rule.get("fieldPath") or "",
                "OptionalOldSelf": rule.get("optionalOldSelf"),
            })  # fmt: skip
            yield wrong(place, shown, f"compilation failed: {error}")
    for inner, place in _parts(schema, path):
        yield from _rules(inner, place)


def definition_update(old: Obj, new: Obj) -> Errors:
    """A definition keeps its group and plural, and once it is established kind and scope."""
    if old.get("spec") is new.get("spec"):
        return
    yield from definition(new)
    before, after = old.get("spec") or EMPTY, new.get("spec") or EMPTY
    held, wished = (part.get("names") or EMPTY for part in (before, after))
    conditions = (old.get("status") or EMPTY).get("conditions") or ()
    if any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions):
        if before.get("scope") != after.get("scope"):
            yield wrong("spec.scope", after.get("scope"), formats.IMMUTABLE)
        if held.get("kind") != wished.get("kind"):
            yield wrong("spec.names.kind", wished.get("kind"), formats.IMMUTABLE)
    if before.get("group") != after.get("group"):
        yield wrong("spec.group", after.get("group"), formats.IMMUTABLE)
    if held.get("plural") != wished.get("plural"):
        yield wrong("spec.names.plural", wished.get("plural"), formats.IMMUTABLE)
    yield from _stored(new)


def _stored(new: Obj) -> Iterator[FieldError]:
    present = [version.get("name") for version in new["spec"].get("versions") or ()]
    for at, name in enumerate((new.get("status") or EMPTY).get("storedVersions") or ()):
        if name not in present:
            yield wrong(f"status.storedVersions[{at}]", name, "must appear in spec.versions")
