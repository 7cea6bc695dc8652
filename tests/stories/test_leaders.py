"""Leader election of controller manager and scheduler: who leads, who follows, and when."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster


def lease(cluster: Cluster, name: str) -> Any:
    """The spec of a Lease of the control plane."""
    return cluster.get("Lease", name, "kube-system")["spec"]


def leaders(cluster: Cluster, stem: str) -> list[str]:
    """The running components of a kind that lead."""
    components = cluster.world.components
    return [
        name for name, part in components.items()
        if name.startswith(stem) and part.leading and not part.stopped
    ]  # fmt: skip


@pytest.fixture(scope="module")
def pair() -> Cluster:
    """Two controller managers, two schedulers, settled."""
    cluster = Cluster(2, dns=False, controller_managers=2, schedulers=2)
    cluster.settle()
    return cluster


def test_each_process_that_leads_holds_its_lease() -> None:
    """The Leases are there with one replica, too, with the durations of the real processes."""
    cluster = Cluster(1, dns=False)
    cluster.settle()
    for name in ("kube-controller-manager", "kube-scheduler"):
        spec = lease(cluster, name)
        assert (spec["leaseDurationSeconds"], spec["leaseTransitions"]) == (15, 0)
    told = [
        event["message"].partition(" ")[2] for event in cluster.list("Event", "kube-system")
        if event["reason"] == "LeaderElection"
    ]  # fmt: skip
    assert told == ["became leader", "became leader"]
    servers = [
        item for item in cluster.list("Lease", "kube-system")
        if item["metadata"].get("labels", {}).get("apiserver.kubernetes.io/identity")
    ]  # fmt: skip
    assert [item["spec"]["leaseDurationSeconds"] for item in servers] == [3600]


def test_of_two_replicas_one_works(pair: Cluster) -> None:
    """The second one holds no Lease and runs no loops; its Lease is renewed every 2 s."""
    cluster = pair.fork()
    assert leaders(cluster, "controller-manager") == ["controller-manager"]
    assert leaders(cluster, "scheduler") == ["scheduler"]
    before = lease(cluster, "kube-scheduler")["renewTime"]
    cluster.run(2.1)
    assert lease(cluster, "kube-scheduler")["renewTime"] > before


def test_a_dead_leader_is_followed_within_seventeen_seconds(pair: Cluster) -> None:
    """The Lease runs out 15 s after its last renewal; then the other replica takes it and works."""
    cluster = pair.fork()
    cluster.faults.stop("controller-manager")
    cluster.faults.stop("scheduler")
    stopped = cluster.now
    cluster.kubectl("create deployment web --image=nginx")
    cluster.run(12)
    assert cluster.list("ReplicaSet", "default") == []
    assert cluster.run_until(lambda c: leaders(c, "controller-manager"), 10)
    assert 13 < (cluster.now - stopped).total_seconds() < 17.1
    assert cluster.run_until("deployment/web condition=Available", 20)
    for name in ("kube-controller-manager", "kube-scheduler"):
        spec = lease(cluster, name)
        assert spec["leaseTransitions"] == 1
        assert spec["holderIdentity"].startswith("control-plane-2_")
    (pod,) = cluster.list("Pod", "default")
    assert cluster.scheduler.explain(pod["metadata"]["name"]).node == pod["spec"]["nodeName"]


def test_a_leader_that_cannot_renew_gives_up_before_another_begins(pair: Cluster) -> None:
    """Cut off, it ends 10 s after its last renewal; at no moment do two lead."""
    cluster = pair.fork()
    cluster.faults.partition(["controller-manager"], ["apiserver-1"])
    most = 0
    for _ in range(60):
        cluster.run(0.5)
        most = max(most, len(leaders(cluster, "controller-manager")))
    assert most == 1
    assert leaders(cluster, "controller-manager") == ["controller-manager-2"]
    cluster.faults.heal()
    cluster.run(60)
    assert leaders(cluster, "controller-manager") == ["controller-manager-2"]


def test_a_process_that_starts_again_waits_for_its_own_old_lease() -> None:
    """It has a new identity: nothing is done until the Lease has not changed for 15 s."""
    cluster = Cluster(1, dns=False)
    cluster.settle()
    cluster.faults.stop("controller-manager")
    cluster.kubectl("create deployment web --image=nginx")
    cluster.faults.start("controller-manager")
    cluster.run(14)
    assert cluster.list("ReplicaSet", "default") == []
    cluster.settle()
    assert cluster.get("Deployment", "web")["status"]["readyReplicas"] == 1
    assert lease(cluster, "kube-controller-manager")["leaseTransitions"] == 1


def test_after_a_long_quiet_time_the_same_ones_lead(pair: Cluster) -> None:
    """Hours that are passed over quickly change no leader."""
    cluster = pair.fork()
    cluster.run(4 * 3600)
    assert leaders(cluster, "controller-manager") == ["controller-manager"]
    assert lease(cluster, "kube-scheduler")["leaseTransitions"] == 0
