"""A cluster with addresses of both families: services, names, rules and packets of each."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from kubelab.api.errors import ApiError
from tests.dns.zoo import CLIENT, ask, data, deployment, pod, service

BOTH = ["IPv4", "IPv6"]
MERGE = {"Content-Type": "application/merge-patch+json"}
PATH = "/api/v1/namespaces/default/services"


@pytest.fixture(scope="module")
def settled() -> Cluster:
    """Two nodes of both families, two web pods behind services of every policy."""
    cluster = Cluster(nodes=2, ip_families=BOTH)
    cluster.settle()
    cluster.apply([
        deployment("web", 2), pod("client"),
        service("one", "web", {"port": 80}),
        service("six", "web", {"port": 80}, ipFamilies=["IPv6"]),
        service("both", "web", {"port": 80, "nodePort": 30080}, type="NodePort",
                ipFamilyPolicy="RequireDualStack"),
        service("prefer", "web", {"port": 80}, ipFamilyPolicy="PreferDualStack",
                ipFamilies=["IPv6", "IPv4"]),
        service("hdl", "web", {"port": 80}, clusterIP="None", ipFamilyPolicy="RequireDualStack"),
    ])  # fmt: skip
    assert cluster.settle()
    return cluster


def spec(cluster: Cluster, name: str) -> Any:
    return cluster.get("Service", name)["spec"]


@pytest.mark.parametrize(
    ("name", "families", "policy"),
    [
        ("one", ["IPv4"], "SingleStack"),
        ("six", ["IPv6"], "SingleStack"),
        ("both", ["IPv4", "IPv6"], "RequireDualStack"),
        ("prefer", ["IPv6", "IPv4"], "PreferDualStack"),
        ("hdl", ["IPv4", "IPv6"], "RequireDualStack"),
    ],
)
def test_families_are_filled_in(
    settled: Cluster, name: str, families: list[str], policy: str
) -> None:
    """Families follow the policy, the first one asked for stays first; each has an address."""
    held = spec(settled, name)
    assert (held["ipFamilies"], held["ipFamilyPolicy"]) == (families, policy)
    if name != "hdl":
        given = ["IPv6" if ":" in address else "IPv4" for address in held["clusterIPs"]]
        assert given == families
        assert held["clusterIP"] == held["clusterIPs"][0]
        for address in held["clusterIPs"]:
            labels = settled.get("IPAddress", address, "")["metadata"]["labels"]
            family = labels["ipaddress.kubernetes.io/ip-family"]
            assert family == ("IPv6" if ":" in address else "IPv4")


def test_nodes_and_pods_have_both(settled: Cluster) -> None:
    """Two InternalIPs, two podCIDRs and two podIPs, the IPv4 one first."""
    node = settled.get("Node", "node-1")
    inside = [row["address"] for row in node["status"]["addresses"] if row["type"] == "InternalIP"]
    assert inside == ["192.168.0.11", "fd00:192:168::11"]
    assert node["spec"]["podCIDRs"] == ["10.244.1.0/24", "fd00:10:244:1::/64"]
    client = settled.get("Pod", "client")["status"]
    assert next(row["ip"] for row in client["podIPs"]) == client["podIP"]
    assert client["podIPs"][1]["ip"].startswith("fd00:10:244:")
    assert len(client["hostIPs"]) == 2


def test_slices_of_each_family(settled: Cluster) -> None:
    """A slice for every family of a service, with the pods' addresses of that family."""
    kinds: dict[str, list[str]] = {}
    for item in settled.list("EndpointSlice", "default"):
        name = item["metadata"]["labels"]["kubernetes.io/service-name"]
        kinds.setdefault(name, []).append(item["addressType"])
        for row in item["endpoints"]:
            assert (":" in row["addresses"][0]) == (item["addressType"] == "IPv6")
    assert sorted(kinds["both"]) == BOTH
    assert (kinds["one"], kinds["six"]) == (["IPv4"], ["IPv6"])
    assert ":" not in settled.get("Endpoints", "both")["subsets"][0]["addresses"][0]["ip"]


def test_names_have_both(settled: Cluster) -> None:
    """A and AAAA of a service; of a headless one those of its pods; and the way back."""
    v4, v6 = spec(settled, "both")["clusterIPs"]
    name = "both.default.svc.cluster.local."
    assert data(ask(settled, name, "A").answers) == [v4]
    assert data(ask(settled, name, "AAAA").answers) == [v6]
    assert ask(settled, "six.default.svc.cluster.local.", "A").answers == ()
    pods = ask(settled, "hdl.default.svc.cluster.local.", "AAAA").answers
    assert len(pods) == 2
    assert all(row.data.startswith("fd00:10:244:") for row in pods)
    from ipaddress import ip_address

    back = ask(settled, ip_address(v6).reverse_pointer + ".", "PTR")
    assert data(back.answers) == [name]


def test_both_addresses_answer(settled: Cluster) -> None:
    """curl reaches the service at each address, and a service that has only IPv6 by its name."""
    for address in spec(settled, "both")["clusterIPs"]:
        host = f"[{address}]" if ":" in address else address
        done = settled.curl(CLIENT, f"http://{host}/")
        assert (done.status, done.error) == (200, "")
    by_name = settled.curl(CLIENT, "http://six/")
    assert by_name.status == 200
    assert ":" in by_name.address
    for node in settled.list("Node"):
        for row in node["status"]["addresses"][:2]:
            host = f"[{row['address']}]" if ":" in row["address"] else row["address"]
            assert settled.curl(CLIENT, f"http://{host}:30080/").status == 200


def test_rules_of_both_families(settled: Cluster) -> None:
    """ip6tables has the chains of the IPv6 addresses only, under the same names."""
    kernel: Any = settled.world.components["kernel/node-1"]
    v4, v6 = spec(settled, "both")["clusterIPs"]
    four, six = kernel.tables.save("nat"), kernel.tables6.save("nat")
    assert f"-d {v4}/32 " in four
    assert f"-d {v6}/128 " in six
    assert v6 not in four
    assert v4 not in six
    assert "--to-destination [fd00:10:244:" in six
    assert "! -s fd00:10:244::/48 -d fd00:10:96:" in six


REFUSED = [
    (
        {"ipFamilyPolicy": "SingleStack", "ipFamilies": BOTH},
        'spec.ipFamilyPolicy: Invalid value: "SingleStack": must be \'RequireDualStack\' or '
        "'PreferDualStack' when multiple IP families are specified",
    ),
    (
        {"clusterIPs": ["10.96.77.1", "fd00:10:96::77"]},
        'spec.ipFamilyPolicy: Invalid value: "SingleStack": must be \'RequireDualStack\' or '
        "'PreferDualStack' when multiple cluster IPs are specified",
    ),
    (
        {"ipFamilyPolicy": "RequireDualStack", "clusterIPs": ["10.96.77.1", "10.96.77.2"]},
        'spec.clusterIPs: Invalid value: ["10.96.77.1","10.96.77.2"]: may specify no more than '
        "one IP for each IP family",
    ),
    (
        {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"], "clusterIP": "10.96.77.1"},
        'spec.clusterIPs[0]: Invalid value: "10.96.77.1": expected an IPv6 value as indicated by '
        "`ipFamilies[0]`",
    ),
    (
        {"ipFamilyPolicy": "RequireDualStack", "clusterIPs": ["10.96.77.1", "fd00:99::1"]},
        'spec.clusterIPs: Invalid value: ["10.96.77.1","fd00:99::1"]: failed to allocate IP '
        "fd00:99::1: the provided network does not match the current range",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("wished", "words"), REFUSED)
def test_what_cannot_be_is_refused(settled: Cluster, wished: dict[str, Any], words: str) -> None:
    """The API server's own words for families and addresses that do not fit."""
    with pytest.raises(ApiError) as refused:
        settled.fork().apply(service("bad", "web", {"port": 80}, **wished))
    assert str(refused.value.status["message"]) == f'Service "bad" is invalid: {words}'


def test_upgrade_and_downgrade(settled: Cluster) -> None:
    """A policy gives a service its second address, and takes it away; the first one stays."""
    cluster = settled.fork()
    first = spec(cluster, "one")["clusterIP"]

    def patched(**changes: Any) -> Any:
        return cluster.request("PATCH", f"{PATH}/one", {"spec": changes}, MERGE)

    assert patched(ipFamilyPolicy="PreferDualStack").ok
    held = spec(cluster, "one")
    assert (held["clusterIPs"][0], held["ipFamilies"]) == (first, BOTH)
    second = held["clusterIPs"][1]
    refused = patched(clusterIPs=[first], ipFamilies=["IPv4"])
    assert refused.status == 422
    assert "must be set to 'SingleStack' when releasing the secondary" in refused.message
    changed = patched(clusterIPs=[first, "fd00:10:96::123"])
    assert "spec.clusterIPs[1]: Invalid value" in changed.message
    assert "may not change once set" in changed.message
    assert patched(ipFamilyPolicy="SingleStack").ok
    held = spec(cluster, "one")
    assert (held["clusterIPs"], held["ipFamilies"]) == ([first], ["IPv4"])
    with pytest.raises(ApiError):
        cluster.get("IPAddress", second, "")
    cluster.settle()
    left = [item["addressType"] for item in cluster.list("EndpointSlice", "default")
            if item["metadata"]["labels"]["kubernetes.io/service-name"] == "one"]  # fmt: skip
    assert left == ["IPv4"]


def test_no_address_of_a_family_is_no_route() -> None:
    """In a cluster of IPv4 a pod cannot reach an IPv6 address: curl says so at once."""
    cluster = Cluster(nodes=1)
    cluster.settle()
    cluster.apply(pod("client"))
    cluster.settle()
    done = cluster.curl(CLIENT, "http://[2001:db8::80]/")
    assert done.error.startswith("curl: (7) Failed to connect to 2001:db8::80 port 80")
    assert done.elapsed_ns == 0
