"""What is allowed and yet told, in the words of a real API server."""

from __future__ import annotations

import pytest

from kubelab.api import kinds
from kubelab.apiserver.validation_warnings import warnings
from kubelab.sim.tree import freeze


@pytest.mark.parametrize(
    ("container", "warning"),
    [
        (
            {"ports": [{"containerPort": 80}, {"containerPort": 80}]},
            "containers[0].ports[1]: duplicate port definition with {0}containers[0].ports[0]",
        ),
        (
            {"env": [{"name": "A", "value": "x"}, {"name": "A", "value": "y"}]},
            'containers[0].env[1]: hides previous definition of "A", '
            "which may be dropped when using apply",
        ),
    ],
)
def test_repetitions_are_told(container, warning):
    """A port or variable that stands twice is told, in a pod and in a template."""
    spec = {"containers": [container]}
    for name, obj, field in (
        ("v1/Pod", {"spec": spec}, "spec."),
        ("apps/v1/Deployment", {"spec": {"template": {"spec": spec}}}, "spec.template.spec."),
    ):
        found = warnings(kinds.named(name), freeze(obj))
        assert found == [field + warning.replace("{0}", field)]


def test_the_same_port_twice_under_two_protocols_is_fine():
    """TCP and UDP may share a number; DNS servers do it."""
    ports = [{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]
    assert (
        warnings(kinds.named("v1/Pod"), freeze({"spec": {"containers": [{"ports": ports}]}})) == []
    )
