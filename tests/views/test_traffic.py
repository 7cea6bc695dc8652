"""The traffic view on a running cluster: rules, rewritten addresses, endpoints, bad ends."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import views

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: kubelab/server, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: wbe}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: main, image: busybox, command: [sleep, infinity]}]}
"""


def test_each_rule_is_a_step_with_the_addresses_before_and_after(cluster: Any) -> None:
    """The first Step sends; then each rule that matched is told, and one rewrites the address."""
    size = len(cluster.trace)
    view = views.traffic(cluster, "client", "http://web/")
    assert "Press Step to send it" in view.told and len(cluster.trace) == size
    seen = []
    for _ in range(14):
        view.step()
        hops = view.frame["hops"]
        if hops and hops[-1]["event"] == view.cursor.focus:
            seen.append(hops[-1]["what"])
        if view.frame["end"]:
            break
    assert [what[:9] for what in seen[:3]] == ["KUBE-SERV", "KUBE-SVC-", "KUBE-SEP-"]
    address = cluster.moment().get("Service", "web")["spec"]["clusterIP"]
    rewrites = next(h for h in view.frame["hops"] if h["what"].startswith("KUBE-SEP-"))
    assert rewrites["before"].endswith(f"> {address}:80")
    assert not rewrites["after"].endswith(f"> {address}:80")
    assert view.frame["end"] == "answer 200"
    here = view.picture().svg()
    now = cluster.world.now
    view.back(8).step(8)
    assert view.picture().svg() == here and cluster.world.now == now


def test_bars_count_the_answers_of_each_endpoint(cluster: Any) -> None:
    """Sixty requests: the counts add up, and every endpoint of the three has some."""
    for _ in range(60):
        cluster.curl("default/client", "http://web/")
    counts = [row["count"] for row in views.traffic(cluster, "client").frame["endpoints"]]
    assert sum(counts) == 60 and len(counts) == 3 and min(counts) >= 8


def test_a_service_without_endpoints_refuses_at_once(cluster: Any) -> None:
    """The refusing rule is marked, and the answer says so."""
    cluster.curl("default/client", "http://nobody/")
    view = views.traffic(cluster, "client", "http://nobody/")
    assert any(hop["bad"] and "no endpoints" in hop["rule"] for hop in view.frame["hops"])
    assert view.frame["failed"] and "curl: (7)" in view.frame["end"]
    assert {p.state for p in view.picture().pieces if p.name == "answer"} == {"failed"}


def test_an_address_that_nobody_has_is_a_timeout(cluster: Any) -> None:
    """A lost packet looks different from a refused one."""
    cluster.connect("default/client", "10.244.9.9", 80)
    view = views.traffic(cluster, "client", "10.244.9.9:80")
    assert view.frame["hops"][0]["what"].startswith("lost: ")
    assert "timed out" in view.frame["end"]


def test_the_proxy_stands_beside_the_path(cluster: Any) -> None:
    """No hop is kube-proxy's; its pill says when it wrote the rules."""
    cluster.curl("default/client", "http://web/")
    view = views.traffic(cluster, "client")
    assert view.frame["proxy"]["event"] > 0
    actors = {cluster.trace[hop["event"] - 1].target for hop in view.frame["hops"]}
    assert not any(name.startswith("kube-proxy") for name in actors)
    assert "is not on the path" in view.state()["words"].alt


def test_datagrams_go_the_same_way(cluster: Any) -> None:
    """UDP to the cluster's DNS address is sent, rewritten and answered."""
    view = views.traffic(cluster, "client", "10.96.0.10:53", "UDP", by="decision")
    view.step(3)
    assert view.frame["service"] == "kube-system/kube-dns"


def test_what_is_missing_is_said(cluster: Any) -> None:
    """Without a URL nothing can be sent, and an unknown protocol is refused."""
    with pytest.raises(ValueError, match="say what to request"):
        views.traffic(cluster, "client").step()
    with pytest.raises(ValueError, match="TCP, UDP and SCTP"):
        views.traffic(cluster, "client", "http://web/", "ICMP")
