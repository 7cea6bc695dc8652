"""What Kubernetes' conformance tests ask of an API server, one behaviour a test:
accounts, reviews, events and what pods refer to.

In Kubernetes: test/conformance/testdata/conformance.yaml; the tests there are programs that run
pods, these keep to what the API itself can be asked.
"""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from tests.apiserver.asking import (
    DEFAULT,
    MERGE,
    SIGNING,
    get_,
    names,
    patch,
    pod,
    post,
    settle_until,
)

# Access.


def test_56_what_every_namespace_has_comes_back(c: Cluster) -> None:
    """The default service account and the root certificate are made again."""
    for path, change in (
        (f"{DEFAULT}/serviceaccounts/default", None),
        (f"{DEFAULT}/configmaps/kube-root-ca.crt", {"data": {"ca.crt": "other"}}),
    ):
        before = get_(c, path)
        if change:
            patch(c, path, change)
            c.settle()
            assert get_(c, path)["data"] == before["data"]
        assert c.request("DELETE", path).status == 200
        made = settle_until(c, path, lambda body: body is not None)
        assert made["metadata"]["uid"] != before["metadata"]["uid"]


@pytest.mark.parametrize(
    ("account", "own", "mounted"),
    [(None, None, True), (None, False, False), (False, None, False), (False, True, True),
     (True, False, False)],
)  # fmt: skip
def test_57_who_mounts_a_token(c: Cluster, account: Any, own: Any, mounted: bool) -> None:
    """The pod's word goes before the account's."""
    more = {} if account is None else {"automountServiceAccountToken": account}
    post(c, f"{DEFAULT}/serviceaccounts", {"metadata": {"name": "mine"}, **more})
    spec = {} if own is None else {"automountServiceAccountToken": own}
    made = post(c, f"{DEFAULT}/pods", pod(serviceAccountName="mine", **spec))
    assert bool(made["spec"].get("volumes")) is mounted


@pytest.mark.parametrize("local", [False, True])
def test_59_reviews_answer_as_the_request_would(c: Cluster, local: bool) -> None:
    """Before and after a binding."""
    base = "/apis/authorization.k8s.io/v1"
    path = f"{base}/namespaces/default/localsubjectaccessreviews" if local \
        else f"{base}/subjectaccessreviews"  # fmt: skip
    spec = {"user": "jane", "resourceAttributes": {
        "verb": "get", "resource": "pods", "namespace": "default"}}  # fmt: skip
    body = {"metadata": {"namespace": "default"} if local else {}, "spec": spec}
    assert post(c, path, body)["status"]["allowed"] is False
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]
    post(c, f"{rbac}/rolebindings", {"metadata": {"name": "v"}, "roleRef": role,
                                     "subjects": subjects})  # fmt: skip
    assert post(c, path, body)["status"]["allowed"] is True


def test_60_signing_requests(c: Cluster) -> None:
    """Approval and status are doors of their own."""
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    spec = {"signerName": "example.com/s", "usages": ["client auth"], "request": SIGNING}
    made = post(c, path, {"metadata": {"name": "r"}, "spec": spec})
    assert made["spec"]["username"] == "kubernetes-admin"
    approval = {**made, "status": {"conditions": [{
        "type": "Approved", "status": "True", "reason": "E2E", "message": "yes"}]}}  # fmt: skip
    answer = c.request("PUT", f"{path}/r/approval", approval)
    assert answer.status == 200, answer.message
    assert answer.body["status"]["conditions"][0]["type"] == "Approved"
    assert get_(c, f"{path}/r/approval")["status"]["conditions"][0]["reason"] == "E2E"
    status = {"status": {"certificate": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQg"
                         "Q0VSVElGSUNBVEUtLS0tLQo="}}  # fmt: skip
    assert patch(c, f"{path}/r/status", status)["status"]["certificate"]
    ignored = patch(c, f"{path}/r", {"status": {"certificate": None}})
    assert ignored["status"]["certificate"]


def test_65_events_are_one_set_of_objects(c: Cluster) -> None:
    """What is made through one API is seen through the other."""
    core = {"metadata": {"name": "e"}, "reason": "R", "message": "m", "type": "Normal",
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}}  # fmt: skip
    post(c, f"{DEFAULT}/events", core)
    other = "/apis/events.k8s.io/v1/namespaces/default/events"
    seen = get_(c, f"{other}/e")
    assert (seen["note"], seen["regarding"]["name"]) == ("m", "p")
    patch(c, f"{other}/e", {"note": "n"})
    assert get_(c, f"{DEFAULT}/events/e")["message"] == "n"
    assert c.request("DELETE", f"{DEFAULT}/events").status == 200
    c.settle()
    assert get_(c, other)["items"] == []


# Objects of pods.


@pytest.mark.parametrize("plural", ["configmaps", "secrets"])
def test_91_keys_and_immutable_ones(c: Cluster, plural: str) -> None:
    """An empty or impossible key is refused; what is immutable does not change."""
    path = f"{DEFAULT}/{plural}"
    for key in ("", "a b"):
        answer = c.request("POST", path, {"metadata": {"name": "k"}, "data": {key: "dg=="}})
        assert (answer.status, answer.reason) == (422, "Invalid")
        assert f'data[{key}]: Invalid value: "{key}": a valid config key must' in answer.message
    post(c, path, {"metadata": {"name": "k"}, "data": {"a": "dg=="}, "immutable": True})
    answer = c.request("PATCH", f"{path}/k", {"data": {"a": "dw=="}}, MERGE)
    assert answer.status == 422
    assert "data: Forbidden: field is immutable when `immutable` is set" in answer.message
    answer = c.request("PATCH", f"{path}/k", {"immutable": False}, MERGE)
    assert "immutable: Forbidden: field is immutable when `immutable` is set" in answer.message
    patch(c, f"{path}/k", {"metadata": {"labels": {"a": "b"}}})


def test_95_runtime_classes(c: Cluster) -> None:
    """A pod of an unknown class is refused; a class's overhead is added."""
    refused = c.request("POST", f"{DEFAULT}/pods", pod(runtimeClassName="none"))
    assert refused.status == 403
    assert refused.message == ('pods "p" is forbidden: pod rejected: RuntimeClass "none" not found')
    post(c, "/apis/node.k8s.io/v1/runtimeclasses", {
        "metadata": {"name": "heavy"}, "handler": "h", "overhead": {"podFixed": {"cpu": "10m"}},
    })  # fmt: skip
    made = post(c, f"{DEFAULT}/pods", pod(runtimeClassName="heavy"))
    assert made["spec"]["overhead"] == {"cpu": "10m"}
    other = pod("q", runtimeClassName="heavy", overhead={"cpu": "20m"})
    assert c.request("POST", f"{DEFAULT}/pods", other).status == 403


def test_99_priority_classes_are_fixed(c: Cluster) -> None:
    """The value of a priority class does not change; those of the system are there."""
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    assert {"system-cluster-critical", "system-node-critical"} <= set(names(get_(c, path)))
    post(c, path, {"metadata": {"name": "p"}, "value": 5})
    answer = c.request("PATCH", f"{path}/p", {"value": 6}, MERGE)
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert answer.body["details"]["causes"][0]["field"] == "value"
