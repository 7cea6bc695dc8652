"""What the API server says to Services that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from kubelab.api.errors import ApiError

PORTS = [{"port": 80}]
DUAL = "this cluster is not configured for dual-stack services"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    """A settled cluster with a service on 30080."""
    cluster = Cluster(nodes=1)
    cluster.settle()
    create(cluster, "held", type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    return cluster


def create(cluster: Cluster, name: str, **spec: Any) -> Any:
    """Creates a Service."""
    metadata = {"name": name}
    made = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    return cluster.apply(made)[0]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "spec.ports: Required value"),
    (
        {"ports": PORTS, "clusterIP": "10.200.0.1"},
        'spec.clusterIPs: Invalid value: ["10.200.0.1"]: failed to allocate IP 10.200.0.1: '
        "the provided network does not match the current range",
    ),
    (
        {"ports": PORTS, "clusterIP": "10.96.0.10"},
        'spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: '
        "provided IP is already allocated",
    ),
    (
        {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]},
        "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated",
    ),
    (
        {"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]},
        "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
        "The range of valid ports is 30000-32767",
    ),
    (
        {"ports": PORTS, "ipFamilyPolicy": "RequireDualStack"},
        f'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": {DUAL}',
    ),
    (
        {"ports": PORTS, "ipFamilies": ["IPv6"]},
        'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
    ),
    (
        {"ports": PORTS, "ipFamilies": ["IPv4", "IPv4"]},
        'spec.ipFamilies[1]: Duplicate value: "IPv4"',
    ),
    (
        {"ports": PORTS, "externalTrafficPolicy": "Local"},
        'spec.externalTrafficPolicy: Invalid value: "Local": '
        "may only be set for externally-accessible services",
    ),
    (
        {"ports": PORTS, "loadBalancerSourceRanges": ["10.0.0.0/8"]},
        "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ),
    (
        {"ports": PORTS, "externalIPs": ["127.0.0.1"]},
        'spec.externalIPs[0]: Invalid value: "127.0.0.1": '
        "may not be in the loopback range (127.0.0.0/8, ::1/128)",
    ),
    (
        {"ports": PORTS, "clusterIP": "10.96.50.50", "clusterIPs": ["10.96.50.51"]},
        'spec.clusterIPs: Invalid value: ["10.96.50.51"]: first value must match `clusterIP`',
    ),
    (
        {
            "ports": PORTS, "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 100000}},
        },
        "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 100000: "
        "must be greater than 0 and less than 86400",
    ),
    ({"type": "ExternalName"}, "spec.externalName: Required value"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "words"), REFUSED, ids=range(len(REFUSED)))
def test_words_of_refusal(cluster: Cluster, spec: dict[str, Any], words: str) -> None:
    """Each bad Service is refused in the real server's words, and nothing is written."""
    before = len(cluster.list("Service"))
    with pytest.raises(ApiError) as caught:
        create(cluster, "bad", **spec)
    assert str(caught.value) == f'Service "bad" is invalid: {words}'
    assert len(cluster.list("Service")) == before


def test_dual_stack_that_is_only_preferred_falls_back(cluster: Cluster) -> None:
    """PreferDualStack on a cluster with one family gives one address of that family."""
    spec = create(cluster.fork(), "prefers", ports=PORTS, ipFamilyPolicy="PreferDualStack")["spec"]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "PreferDualStack")
    assert len(spec["clusterIPs"]) == 1


def test_a_headless_name_without_pods_may_have_any_family(cluster: Cluster) -> None:
    """Without a selector a headless Service is for any addresses that somebody writes."""
    spec = create(cluster.fork(), "free", ports=PORTS, clusterIP="None")["spec"]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4", "IPv6"], "RequireDualStack")
