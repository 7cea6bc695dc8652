"""The schema holds every kind that is served, in the form in which it is published."""

from __future__ import annotations

import pytest

from kubelab.api import kinds
from kubelab.api.schema import generate, openapi


@pytest.mark.parametrize("row", kinds.ALL, ids=lambda row: f"{row.api_version}/{row.kind}")
def test_every_kind_has_a_definition(row):
    """Each kind of the table is found, and so is all that it refers to."""
    name = openapi.name_of(row.api_version, row.kind)
    assert name is not None
    found = generate.reachable(openapi.definitions(), [name])
    assert set(found) <= set(openapi.definitions())


def test_what_the_package_bent_is_bent_back():
    """One type each, no invented enums, and the identity of ports has its default."""
    pod = openapi.definition("v1", "Pod")
    assert pod["properties"]["kind"] == {"type": "string"}
    ports = openapi.definitions()["io.k8s.api.core.v1.ContainerPort"]
    assert ports["properties"]["protocol"] == {"type": "string", "default": "TCP"}


def test_lists_are_merged_by_their_keys():
    """Containers are patched by name; their ports by containerPort, and owned by two keys."""
    spec = openapi.definitions()["io.k8s.api.core.v1.PodSpec"]
    containers = openapi.field(spec, "containers")
    assert openapi.merge_key(containers) == "name"
    ports = openapi.field(openapi.items(containers), "ports")
    assert openapi.merge_key(ports) == "containerPort"
    assert openapi.map_keys(ports) == ("containerPort", "protocol")
    assert openapi.patch_strategy(openapi.field(spec, "volumes")) == ("merge", "retainKeys")


def test_the_generator_restores_a_schema():
    """A bent schema comes back straight, and its texts apart."""
    bent = {
        "type": ["object", "null"],
        "description": "A thing.",
        "properties": {
            "kind": {"type": ["string", "null"], "enum": ["Thing"], "description": "Its kind."},
            "ref": {"$ref": "#/$defs/io.k8s.Other"},
        },
    }
    bare, texts = generate.split("io.k8s.Thing", generate.restored(bent))
    assert bare == {
        "type": "object",
        "properties": {
            "kind": {"type": "string"},
            "ref": {"$ref": "#/components/schemas/io.k8s.Other"},
        },
    }  # fmt: skip
    assert texts == {"": "A thing.", "kind": "Its kind."}


def test_fields_are_explained():
    """The descriptions stand beside the schema, by field."""
    texts = openapi.descriptions()["io.k8s.api.core.v1.Container"]
    assert "image" in texts["image"].lower()
