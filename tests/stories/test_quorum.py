"""Three etcd members: one may fail; without two nothing is written, and what runs goes on."""

from __future__ import annotations

import pytest

from kubelab import Cluster
from kubelab.api.errors import ApiError

WEB = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"a": "1"}}
OTHER = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}


def test_one_of_three_members_may_fail() -> None:
    """With the leader gone the others elect; what was stored is there, new things are stored."""
    c = Cluster(nodes=1, etcd=3)
    c.apply(WEB)
    c.settle()
    leader = c.etcd.name
    c.faults.stop(leader)
    c.run(5)
    assert c.etcd.name != leader
    assert c.get("ConfigMap", "web")["data"] == {"a": "1"}
    c.apply(OTHER)
    assert c.get("ConfigMap", "other")
    assert c.why("configmap/other")[0].actor == "you"


def test_without_a_quorum_nothing_is_written_and_nothing_is_lost() -> None:
    """Writes fail with etcd's words, reads of the cache go on, pods run; healing ends it."""
    c = Cluster(nodes=1, etcd=3)
    c.settle()
    c.apply(WEB)
    c.faults.stop("etcd-2")
    c.faults.stop("etcd-3")
    with pytest.raises(ApiError, match="etcdserver: request timed out") as caught:
        c.apply(OTHER)
    assert caught.value.code == 500
    old = c.request("GET", "/api/v1/namespaces/default/configmaps/web?resourceVersion=0")
    assert old.status == 200
    pods = c.moment().list("Pod", "kube-system")
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    c.faults.start("etcd-2")
    c.run(5)
    c.apply(OTHER)
    assert c.get("ConfigMap", "web")["data"] == {"a": "1"}


def test_a_cluster_of_three_is_forked_and_rewound() -> None:
    """The whole of it can be copied and taken back, like a cluster of one."""
    c = Cluster(nodes=1, etcd=3)
    c.settle()
    here = len(c.trace)
    twin = c.fork()
    c.apply(WEB)
    c.rewind(here)
    c.apply(OTHER)
    twin.apply(WEB)
    assert [o["metadata"]["name"] for o in twin.list("ConfigMap", "default")][-1] == "web"
    assert "web" not in [o["metadata"]["name"] for o in c.list("ConfigMap", "default")]
