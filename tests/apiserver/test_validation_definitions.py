"""What a CustomResourceDefinition may say."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api import kinds
from kubelab.api.objects import freeze, with_
from kubelab.apiserver import validation

DEFINITION = kinds.named("apiextensions.k8s.io/v1/CustomResourceDefinition")
SCHEMA = "spec.validation.openAPIV3Schema"
SPEC = f"{SCHEMA}.properties[spec]"


def crd(part: Any = None, **version: Any) -> Any:
    schema = {"type": "object", "properties": {"spec": part or {"type": "object"}}}
    v1 = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return freeze({
        "metadata": {"name": "widgets.lab.example"},
        "spec": {
            "group": "lab.example", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget",
                      "listKind": "WidgetList"},
            "versions": [{**v1, **version}],
        },
    })  # fmt: skip


def told(obj: Any) -> list[str]:
    return [str(error) for error in validation.validate_create(DEFINITION, obj)]


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        ({"properties": {"a": {"type": "string"}}},
         f"{SPEC}.type: Required value: must not be empty for specified object fields"),
        ({"type": "object", "properties": {"a": {"type": "array"}}},
         f"{SPEC}.properties[a].items: Required value: must be specified"),
        ({"type": "text"}, f'{SPEC}.type: Unsupported value: "text": supported values: "array", '
         '"boolean", "integer", "number", "object", "string"'),
        ({"type": "object", "oneOf": [{"type": "string"}]},
         f"{SPEC}.oneOf[0].type: Forbidden: must be empty to be structural"),
        ({"type": "object", "properties": {"a": {"type": "string"}},
          "additionalProperties": {"type": "string"}},
         f"{SPEC}.additionalProperties: Forbidden: additionalProperties and properties are mutual "
         "exclusive"),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True},
         f"{SPEC}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime "
         "complexity becomes quadratic"),
        ({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"},
         f"{SPEC}.x-kubernetes-list-map-keys: Required value: must not be empty if "
         "x-kubernetes-list-type is map"),
        ({"type": "object", "x-kubernetes-validations": [{"rule": "self."}]},
         f'{SPEC}.x-kubernetes-validations[0].rule: Invalid value: {{"Rule":"self.","Message":"",'
         '"MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: '
         "compilation failed: ERROR: <input>:1:6: Syntax error: mismatched input '<EOF>'\n"
         " | self.\n | .....^"),
    ],
)  # fmt: skip
def test_schemas_must_be_structural(part: Any, complaint: str) -> None:
    """Each thing that a structural schema may not say is refused by its place."""
    assert told(crd(part)) == [complaint]


def test_a_good_definition_is_accepted() -> None:
    """Structural schemas pass, with integers or strings, and with rules."""
    part = {
        "type": "object",
        "properties": {
            "port": {"x-kubernetes-int-or-string": True, "anyOf": [
                {"type": "integer"}, {"type": "string"}]},
            "free": {"x-kubernetes-preserve-unknown-fields": True},
        },
        "x-kubernetes-validations": [{"rule": "has(self.port)"}],
        "oneOf": [{"required": ["port"]}, {"required": ["free"]}],
    }  # fmt: skip
    assert told(crd(part)) == []


def test_versions_that_differ_are_told_apart() -> None:
    """A complaint names the version unless all versions have one schema."""
    obj = crd({"type": "object"})
    other = with_(obj["spec"]["versions"][0], ("schema", "openAPIV3Schema"), {"type": "string"})
    other = with_(with_(other, ("name",), "V2"), ("storage",), False)
    obj = with_(obj, ("spec", "versions", 1), other)
    assert [text.split(":")[0] for text in told(obj)] == [
        "spec.versions[1].name", "spec.versions[1].schema.openAPIV3Schema.type",
    ]  # fmt: skip


def test_scale_and_columns() -> None:
    """Paths of the scale subresource lead into spec and status; columns have known types."""
    scale = {"specReplicasPath": ".size", "statusReplicasPath": ".status.n"}
    columns = [{"name": "A", "type": "text", "jsonPath": ".spec.a"}, {"name": "B"}]
    assert told(crd(subresources={"scale": scale}, additionalPrinterColumns=columns)) == [
        'spec.subresources.scale.specReplicasPath: Invalid value: ".size": should be a json path '
        "under .spec",
        'spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of '
        "boolean,date,integer,number,string",
        "spec.additionalPrinterColumns[1].type: Required value",
        "spec.additionalPrinterColumns[1].jsonPath: Required value",
    ]


def test_names_that_are_protected_need_an_approval() -> None:
    """Groups of Kubernetes itself are for definitions that it has approved."""
    obj = with_(crd(), ("spec", "group"), "x.k8s.io")
    obj = with_(obj, ("metadata", "name"), "widgets.x.k8s.io")
    assert told(obj)[0].startswith("metadata.annotations[api-approved.kubernetes.io]: Required")


def test_a_stored_version_may_not_disappear() -> None:
    """A version in which objects may still be stored stays in the definition."""
    old = with_(crd(), ("status",), {"storedVersions": ["v1"]})
    new = with_(old, ("spec", "versions", 0, "name"), "v2")
    meta = {"name": "widgets.lab.example", "resourceVersion": "1"}
    errors = validation.validate_update(DEFINITION, old, with_(new, ("metadata",), meta))
    assert [str(error) for error in errors] == [
        'status.storedVersions[0]: Invalid value: "v1": must appear in spec.versions'
    ]
