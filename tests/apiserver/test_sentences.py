"""The stages of a request in plain words."""

from __future__ import annotations

import pytest

from kubelab import Cluster
from kubelab.apiserver import sentences
from kubelab.sim.kernel import Event

PODS = "/api/v1/namespaces/default/pods"
POD = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}


@pytest.fixture(scope="module")
def c() -> Cluster:
    """A control plane that stands still."""
    cluster = Cluster(nodes=0, dns=False)
    cluster.settle()
    return cluster


def last(c: Cluster) -> Event:
    """The last request of the user's that the API server heard."""
    return next(
        e for e in reversed(c.trace)
        if e.verb == "request" and e.target == "apiserver-1" and e.actor == "you"
    )  # fmt: skip


def test_each_stage_of_a_create_has_its_sentence(c: Cluster) -> None:
    """Who asks, what allows it, each gate with what it saw, validation, storage."""
    assert c.request("POST", PODS, POD).status == 201
    said = sentences.stages(last(c))
    assert [row.partition(":")[0] for row in said] == [
        "Authentication", "Authorization", "Admission, NamespaceLifecycle",
        "Admission, LimitRanger", "Admission, ServiceAccount",
        "Admission, DefaultTolerationSeconds", "Admission, Priority", "Admission, RuntimeClass",
        "Validation", "Admission, PodSecurity", "Storage",
    ]  # fmt: skip
    assert said[1] == ("Authorization: kubernetes-admin may create Pod because system:masters.")
    assert "runs as default" in said[4] and "priority 0" in said[6]
    assert said[-1] == "Storage: etcd is asked to store /registry/pods/default/p."
    assert all(len(row.split()) <= 30 for row in said)


def test_a_refusal_is_the_last_stage(c: Cluster) -> None:
    """What was passed comes before the gate that refuses."""
    body = {**POD, "metadata": {"name": "q"}}
    body["spec"] = {**POD["spec"], "priorityClassName": "none"}  # type: ignore[dict-item]
    assert c.request("POST", PODS, body).status == 403
    said = sentences.stages(last(c))
    assert said[0].startswith("Authentication:")
    assert said[-1] == (
        'Refused: pods "q" is forbidden: no PriorityClass with name none was found.'
    )


def test_who_may_not_is_told_at_the_second_stage(c: Cluster) -> None:
    """Nothing is admitted for whom nothing is allowed."""
    answer = c.request("GET", PODS, None, {"Impersonate-User": "jane"})
    assert answer.status == 403
    said = sentences.stages(last(c))
    assert said[0] == ("Authentication: the caller kubernetes-admin asks in the name of jane.")
    assert said[-1].startswith('Refused: pods is forbidden: User "jane" cannot list')
