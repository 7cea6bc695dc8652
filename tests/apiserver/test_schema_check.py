"""Strict decoding says what Go's decoder says, and shares what is right."""

from __future__ import annotations

import pytest

from kubelab.api import kinds
from kubelab.apiserver import defaults, schema_check
from kubelab.sim.tree import freeze
from tests.golden_data import cases

POD = kinds.named("v1/Pod")


@pytest.mark.parametrize("case", cases("kind_decoding"), ids=lambda case: case["name"])
def test_recorded_complaints(case):
    """The message is that of Kubernetes 1.36.2."""
    kind = kinds.named(case["kind"])
    _, unknown, wrong = schema_check.check(kind, freeze(case["object"]))
    if "strict decoding error" in case["message"]:
        assert case["message"].endswith(f"strict decoding error: {', '.join(unknown)}")
    else:
        assert wrong == case["message"]


@pytest.mark.parametrize("case", cases("kind_defaults"), ids=lambda case: case["name"])
def test_a_canonical_object_is_shared(case):
    """An object in its stored form comes back as the very same object."""
    kind = kinds.named(case["kind"])
    clean, _, wrong = schema_check.check(kind, freeze(case["given"]))
    assert wrong is None
    stored = defaults.apply_defaults(kind, clean)
    again, unknown, wrong = schema_check.check(kind, stored)
    assert (unknown, wrong) == ([], None)
    if "null" not in str(case["stored"]) and "None" not in str(case["stored"]):
        assert again is stored


def test_unknown_fields_are_dropped_and_named():
    """They are named in document order, with indexes, and are not in the object."""
    given = freeze({
        "spec": {"containers": [{"name": "c", "bar": 1}], "hostNetwrk": True}, "foo": 1,
    })  # fmt: skip
    clean, unknown, wrong = schema_check.check(POD, given)
    assert unknown == [
        'unknown field "spec.containers[0].bar"',
        'unknown field "spec.hostNetwrk"',
        'unknown field "foo"',
    ]
    assert wrong is None
    assert clean == {"spec": {"containers": [{"name": "c"}]}}


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ({"metadata": {"creationTimestamp": "2026-01-01T01:00:00.5+01:00"}},
         {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}),
        ({"metadata": {"labels": {"a": None}, "annotations": None}},
         {"metadata": {"labels": {"a": ""}}}),
        ({"spec": {"containers": [{"resources": {"limits": {"cpu": 0.5}}}]}},
         {"spec": {"containers": [{"resources": {"limits": {"cpu": "500m"}}}]}}),
        ({"spec": {"tolerations": [], "containers": []}}, {"spec": {"containers": []}}),
        ({"metadata": {"finalizers": [None]}}, {"metadata": {"finalizers": [""]}}),
        ({"status": {"conditions": [{"type": "Ready", "lastProbeTime": None}]}},
         {"status": {"conditions": [
             {"type": "Ready", "lastProbeTime": None, "lastTransitionTime": None}]}}),
    ],
)  # fmt: skip
def test_small_repairs(given, clean):
    """Times, quantities, nulls and empty lists come out as Go would write them."""
    assert schema_check.check(POD, freeze(given))[0] == clean


def test_a_kind_without_a_schema_passes():
    """A custom resource is judged by its own definition, not here."""
    row = kinds.Kind(
        "x.io", "v1", "Foo", "foos", "foo", True, (), (), (), (), "/registry/x.io/foos/", ()
    )
    obj = freeze({"anything": 1})
    assert schema_check.check(row, obj) == (obj, [], None)


def test_a_plain_zero_is_as_good_as_nothing() -> None:
    """Go keeps some fields without a pointer: false and 0 are not written; others keep theirs."""
    spec = {
        "paused": False, "minReadySeconds": 0, "replicas": 0,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"spec": {
            "hostNetwork": False, "enableServiceLinks": False,
            "containers": [{"name": "c", "tty": False, "stdin": True}],
        }},
    }  # fmt: skip
    kind = kinds.find("apps/v1", "Deployment")
    assert kind is not None
    obj = freeze({"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec})
    made = schema_check.check(kind, obj)[0]["spec"]
    assert "paused" not in made and "minReadySeconds" not in made
    assert made["replicas"] == 0
    assert dict(made["template"]["spec"]) == {
        "enableServiceLinks": False, "containers": freeze([{"name": "c", "stdin": True}]),
    }  # fmt: skip
