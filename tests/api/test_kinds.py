"""The table of kinds is what a real API server serves."""

from __future__ import annotations

import pytest

from kubelab.api import kinds
from tests.golden_data import cases


@pytest.mark.parametrize(
    "case", cases("kind_discovery"), ids=lambda c: f"{c['group']}/{c['resource']}"
)
def test_a_row_is_what_discovery_says(case):
    """Names, scope, verbs and subresources of each resource are those of Kubernetes 1.36.2."""
    row = kinds.by_path(case["group"], case["version"], case["resource"])
    assert row is not None
    assert row.kind == case["responseKind"]["kind"]
    assert row.namespaced == (case["scope"] == "Namespaced")
    assert row.singular == case["singularResource"]
    assert sorted(row.verbs) == sorted(case["verbs"])
    assert list(row.short_names) == case.get("shortNames", [])
    assert list(row.categories) == case.get("categories", [])
    assert list(row.subresources) == [sub["subresource"] for sub in case.get("subresources", [])]
    for sub in case.get("subresources", []):
        found = kinds.subresource(row, sub["subresource"])
        assert (found.kind, sorted(found.verbs)) == (
            sub["responseKind"]["kind"],
            sorted(sub["verbs"]),
        )


def test_no_row_is_invented():
    """Each row is in discovery."""
    served = {
        (case["group"], case["version"], case["resource"]) for case in cases("kind_discovery")
    }
    assert {(row.group, row.version, row.plural) for row in kinds.ALL} == served


def test_versions_of_one_kind_share_their_objects():
    """Both versions of the autoscaler, and both groups of events, are kept under one directory."""
    versions = kinds.versions(kinds.named("autoscaling/v1/HorizontalPodAutoscaler"))
    assert [row.version for row in versions] == ["v2", "v1"]
    assert [row.group for row in kinds.versions(kinds.named("v1/Event"))] == ["", "events.k8s.io"]


def test_directories_are_those_of_etcd():
    """Some kinds are kept under names of their own, for historical reasons."""
    prefixes = {
        "v1/Pod": "/registry/pods/",
        "v1/Node": "/registry/minions/",
        "v1/Service": "/registry/services/specs/",
        "v1/Endpoints": "/registry/services/endpoints/",
        "v1/ReplicationController": "/registry/controllers/",
        "networking.k8s.io/v1/Ingress": "/registry/ingress/",
        "apps/v1/Deployment": "/registry/deployments/",
    }
    assert {name: kinds.named(name).prefix for name in prefixes} == prefixes
    assert not kinds.named("authentication.k8s.io/v1/TokenReview").stored


@pytest.mark.parametrize(
    ("word", "resource"),
    [
        ("po", "pods"), ("Pod", "pods"), ("deploy", "deployments.apps"), ("ev", "events"),
        ("deployment.apps", "deployments.apps"), ("deployments.v1.apps", "deployments.apps"),
        ("events.events.k8s.io", "events.events.k8s.io"),
        ("crds", "customresourcedefinitions.apiextensions.k8s.io"),
    ],
)  # fmt: skip
def test_words_of_kubectl_name_kinds(word, resource):
    """Plurals, singulars, short names and kinds name a resource, with or without the group."""
    assert kinds.resolve(word).resource == resource


def test_an_unknown_kind_is_told_as_kubectl_tells_it():
    """A kind that no row has is refused in kubectl's words; a near word is offered."""
    with pytest.raises(kinds.UnknownKind, match='no matches for kind "Pot" in version "v1"'):
        kinds.named("v1/Pot")
    assert kinds.resolve("poods") is None
    assert kinds.suggest("deploymnts") == "deployments"
