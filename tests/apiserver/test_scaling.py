"""Scale: what is refused, and how it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster

PATH = "/apis/apps/v1/namespaces/default/deployments"
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture(scope="module")
def c() -> Cluster:
    """A control plane with a Deployment of two."""
    cluster = Cluster(nodes=0, dns=False)
    cluster.settle()
    cluster.kubectl("create deployment w --image=nginx --replicas=2")
    cluster.settle()
    return cluster


@pytest.mark.parametrize(
    ("method", "body", "code", "words"),
    [
        ("PATCH", {"spec": {"replicas": -1}}, 422, 'Scale.autoscaling "w" is invalid: '
         "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        ("PATCH", {"spec": {"replicas": "x"}}, 422, "json: cannot unmarshal string into Go struct "
         "field ScaleSpec.spec.replicas of type int32"),
        ("PUT", {"spec": {"replicas": "x"}}, 400, 'Scale in version "v1" cannot be handled as a '
         "Scale: json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of "
         "type int32"),
        ("PUT", {"metadata": {"name": "v"}, "spec": {"replicas": 1}}, 400,
         "the name of the object (v) does not match the name on the URL (w)"),
        ("PUT", {"metadata": {"name": "w", "resourceVersion": "1"}, "spec": {"replicas": 1}}, 409,
         'Operation cannot be fulfilled on deployments.apps "w": the object has been modified'),
    ],
)  # fmt: skip
def test_a_wrong_scale(c: Cluster, method: str, body: Any, code: int, words: str) -> None:
    """It is told in the words of the Scale, and nothing is scaled."""
    answer = c.request(method, f"{PATH}/w/scale", body, MERGE if method == "PATCH" else None)
    assert answer.status == code
    assert words in answer.message
    assert c.get("Deployment", "w")["spec"]["replicas"] == 2


def test_a_scale_is_a_row_of_a_table(c: Cluster) -> None:
    """kubectl shows what is wished and what is there."""
    said = c.kubectl("get deployment w --subresource=scale").splitlines()
    assert said[0].split() == ["NAME", "DESIRED", "AVAILABLE", "AGE"]
    assert said[1].split()[:3] == ["w", "2", "2"]
