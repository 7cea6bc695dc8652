"""Evictions: what a disruption budget forbids, and that it holds whoever asks at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubelab import Cluster
from kubelab.user import make_request

PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture(scope="module")
def settled() -> Cluster:
    """A control plane that stands still."""
    cluster = Cluster(nodes=0, dns=False)
    cluster.settle()
    return cluster


@pytest.fixture
def c(settled: Cluster) -> Cluster:
    """A cluster of the test's own."""
    return settled.fork()


def running(c: Cluster, name: str, *, ready: bool = True) -> None:
    """A pod that somebody says is running."""
    body = {
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "nginx"}], "nodeName": "n"},
    }
    assert c.request("POST", PODS, body).status == 201
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    status = {"status": {"phase": "Running", "conditions": [condition]}}
    assert c.request("PATCH", f"{PODS}/{name}/status", status, MERGE).status == 200


def budget(c: Cluster, name: str = "web", **spec: Any) -> None:
    body = {
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
    }
    assert c.request("POST", BUDGETS, body).status == 201


def eviction(name: str) -> dict[str, Any]:
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}


def evict(c: Cluster, name: str) -> Any:
    return c.request("POST", f"{PODS}/{name}/eviction", eviction(name))


def test_a_budget_forbids(c: Cluster) -> None:
    """429 with the cause in the real server's words; a changed budget lets the pod go."""
    running(c, "one")
    budget(c, minAvailable=1)
    c.settle()
    refused = evict(c, "one")
    assert (refused.status, refused.reason) == (429, "TooManyRequests")
    assert refused.message == ("Cannot evict pod as it would violate the pod's disruption budget.")
    said = "The disruption budget web needs 1 healthy pods and has 1 currently"
    assert refused.body["details"] == {"causes": [{"reason": "DisruptionBudget", "message": said}]}
    c.faults.stop("controller-manager")
    assert c.request("PATCH", f"{BUDGETS}/web", {"spec": {"minAvailable": 0}}, MERGE).status == 200
    early = evict(c, "one")
    assert early.status == 429
    assert early.body["details"]["retryAfterSeconds"] == 10
    assert early.body["details"]["causes"][0]["message"] == (
        "The disruption budget web is still being processed by the server."
    )
    c.faults.start("controller-manager")
    c.settle()
    assert evict(c, "one").status == 201


def test_two_budgets_are_one_too_many(c: Cluster) -> None:
    """A pod under two budgets is not evicted at all."""
    running(c, "one")
    budget(c, "a", minAvailable=0)
    budget(c, "b", minAvailable=0)
    c.settle()
    refused = evict(c, "one")
    assert refused.status == 500
    assert refused.message == (
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
        "support."
    )


def test_the_body_names_the_pod_of_the_path(c: Cluster) -> None:
    """Another name is 400."""
    running(c, "one")
    answer = c.request("POST", f"{PODS}/one/eviction", eviction("two"))
    assert (answer.status, answer.message) == (
        400, "name in URL does not match name in Eviction object"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "status"), [("IfHealthyBudget", 429), ("AlwaysAllow", 201)]
)  # fmt: skip
def test_pods_that_are_not_ready(c: Cluster, policy: str, status: int) -> None:
    """They may go if the budget always allows it, else only while enough others are healthy."""
    running(c, "ill", ready=False)
    budget(c, minAvailable=1, unhealthyPodEvictionPolicy=policy)
    c.settle()
    assert evict(c, "ill").status == status


def test_a_pod_that_waits_costs_nothing(c: Cluster) -> None:
    """What does not run yet is evicted whatever the budget says."""
    body = {"metadata": {"name": "p", "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "nginx"}]}}  # fmt: skip
    assert c.request("POST", PODS, body).status == 201
    budget(c, minAvailable=1)
    c.settle()
    assert evict(c, "p").status == 201


@settings(max_examples=12, deadline=None)
@given(pods=st.integers(1, 5), kept=st.integers(0, 5), rounds=st.integers(1, 2))
def test_no_budget_is_ever_broken(settled: Cluster, pods: int, kept: int, rounds: int) -> None:
    """However many evictions come at one moment, so many pods stay as the budget keeps."""
    c = settled.fork()
    names = [f"p{number}" for number in range(pods)]
    for name in names:
        running(c, name)
    budget(c, minAvailable=kept)
    c.settle()
    you: Any = c.world.components["you"]
    allowed = 0
    for turn in range(rounds):
        for number, name in enumerate(names):
            request = make_request("POST", f"{PODS}/{name}/eviction", eviction(name))
            c.history.inject("you", "ask", 1000 * (turn + 1) + number, request, False)
        c.settle()
        answers = [you.answers.pop(1000 * (turn + 1) + n) for n in range(pods)]
        allowed += sum(answer.status == 201 for answer in answers)
        assert all(answer.status in (201, 404, 429) for answer in answers)
    left = [
        pod for pod in c.moment().list("Pod", "default")
        if not pod["metadata"].get("deletionTimestamp")
    ]  # fmt: skip
    assert len(left) >= min(kept, pods)
    assert allowed >= min(1, max(0, pods - kept))
