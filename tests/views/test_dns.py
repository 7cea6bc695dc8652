"""The DNS view on a running cluster: each question, its packets, where an answer comes from."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import views

MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: prod}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: prod}
spec: {selector: {app: api}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: main, image: busybox, command: [sleep, infinity]}]}
"""


def rungs(view: Any) -> list[tuple[str, str]]:
    """The full names and how each question stands."""
    return [(row["name"], row["rcode"] or row["state"]) for row in view.frame["questions"]]


def test_looking_changes_nothing_until_step_asks(cluster: Any) -> None:
    """A new view sends nothing; the first Step starts the lookup."""
    size = len(cluster.trace)
    view = views.dns(cluster, "api.prod")
    assert "Press Step to ask" in view.state()["head"]["sentence"]["text"]
    assert len(cluster.trace) == size
    view.step()
    assert view.cursor.focus == len(cluster.trace) > size


def test_two_questions_find_a_name_of_another_namespace(cluster: Any) -> None:
    """`api.prod` from default: the first full name is NXDOMAIN, the second is answered."""
    view = views.dns(cluster, "api.prod", by="decision")
    view.step()
    first = "api.prod.default.svc.cluster.local."
    assert rungs(view)[0] == (first, "asked")
    view.step()
    assert rungs(view)[:2] == [(first, "NXDOMAIN"), ("api.prod.svc.cluster.local.", "asked")]
    view.step()
    assert rungs(view) == [(first, "NXDOMAIN"), ("api.prod.svc.cluster.local.", "NOERROR")]
    service = cluster.moment().get("Service", "api", "prod")
    assert view.frame["answers"] == [f"A {service['spec']['clusterIP']}"]
    view.back()
    assert rungs(view)[0] == (first, "NXDOMAIN")


def test_the_packets_way_is_told_hop_by_hop(cluster: Any) -> None:
    """By message: the node rewrites the server's address, a CoreDNS pod answers from a Service."""
    view = views.dns(cluster, "api.prod")
    view.step(14)
    hops = view.frame["hops"]
    assert any(hop["what"].startswith("KUBE-SEP-") for hop in hops)
    assert any("from service prod/api" in hop["text"] for hop in hops)
    ready = [server for server in view.frame["servers"] if server["ready"]]
    assert len(ready) == 2


def test_dots_are_counted_against_ndots(cluster: Any) -> None:
    """A short name tries the endings first; a name that ends with a dot is tried as it is."""
    short = views.dns(cluster, "api.prod").frame
    assert (short["dots"], short["ndots"]) == (1, 5)
    assert "options ndots:5" in short["file"]
    view = views.dns(cluster, "api.prod.svc.cluster.local.", by="decision")
    view.step(2)
    assert rungs(view) == [("api.prod.svc.cluster.local.", "NOERROR")]


def test_stopped_servers_show_where_the_packet_ends(cluster: Any) -> None:
    """With CoreDNS stopped no question is answered, and a hop is marked as the end."""
    cluster.faults.stop("coredns")
    view = views.dns(cluster, "api.prod")
    view.step(4)
    assert any(hop["bad"] for hop in view.frame["hops"])
    cluster.run(120)
    assert view.now().frame["result"] != "NOERROR"


def test_a_lookup_of_curl_is_seen_too(cluster: Any) -> None:
    """The view shows any lookup of its name from its pod, also one that curl began."""
    view = views.dns(cluster, "api.prod", by="decision")
    cluster.curl("default/client", "http://api.prod/")
    assert [row["type"] for row in view.now().frame["questions"]] == ["A", "AAAA", "A", "AAAA"]


def test_asking_needs_a_name_and_a_pod_with_a_node(cluster: Any) -> None:
    """What is missing is said in words."""
    with pytest.raises(ValueError, match="say which name"):
        views.dns(cluster).step()
    with pytest.raises(Exception, match="nobody"):
        views.dns(cluster, "api.prod", pod="nobody").step()
