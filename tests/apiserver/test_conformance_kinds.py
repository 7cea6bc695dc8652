"""What Kubernetes' conformance tests ask of an API server, one behaviour a test: each
kind's life.

In Kubernetes: test/conformance/testdata/conformance.yaml; the tests there are programs that run
pods, these keep to what the API itself can be asked.
"""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from kubelab.api.objects import get
from tests.apiserver.asking import (
    APPS,
    DEFAULT,
    SIGNING,
    get_,
    names,
    patch,
    post,
    watch,
    workload,
)

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
RULES = [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"],
          "resources": ["deployments"]}]  # fmt: skip
HOOK = {"name": "a.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "clientConfig": {"url": "https://127.0.0.1/x"}, "rules": RULES,
        "failurePolicy": "Ignore"}  # fmt: skip
LIFECYCLES = [
    (f"{ADMISSION}/validatingadmissionpolicies", {"spec": {
        "matchConstraints": {"resourceRules": RULES}, "validations": [{"expression": "true"}]}}),
    (f"{ADMISSION}/validatingadmissionpolicybindings", {"spec": {
        "policyName": "x", "validationActions": ["Deny"]}}),
    (f"{ADMISSION}/mutatingadmissionpolicies", {"spec": {
        "matchConstraints": {"resourceRules": RULES}, "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}]}}),
    (f"{ADMISSION}/mutatingadmissionpolicybindings", {"spec": {"policyName": "x"}}),
    (f"{ADMISSION}/validatingwebhookconfigurations", {"webhooks": [HOOK]}),
    (f"{ADMISSION}/mutatingwebhookconfigurations", {"webhooks": [HOOK]}),
    (f"{FLOW}/flowschemas", {"spec": {
        "matchingPrecedence": 10000, "priorityLevelConfiguration": {"name": "global-default"},
        "distinguisherMethod": {"type": "ByUser"}, "rules": [{
            "subjects": [{"kind": "User", "user": {"name": "example-e2e-non-existent"}}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}]}}),
    (f"{FLOW}/prioritylevelconfigurations", {"spec": {"type": "Limited", "limited": {
        "nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}}}),
    (f"{DEFAULT}/serviceaccounts", {}),
    (f"{DEFAULT}/podtemplates", {"template": {"spec": {"containers": [
        {"name": "c", "image": "nginx"}]}}}),
    (f"{DEFAULT}/configmaps", {"data": {"a": "b"}}),
    (f"{DEFAULT}/secrets", {"data": {"a": "Yg=="}}),
    (f"{DEFAULT}/limitranges", {"spec": {"limits": []}}),
    (f"{DEFAULT}/endpoints", {"subsets": [{"addresses": [{"ip": "10.0.0.1"}],
                                           "ports": [{"port": 80}]}]}),
    ("/apis/coordination.k8s.io/v1/namespaces/default/leases", {"spec": {"holderIdentity": "a"}}),
    ("/apis/node.k8s.io/v1/runtimeclasses", {"handler": "runc"}),
    ("/apis/networking.k8s.io/v1/ingressclasses", {"spec": {"controller": "example.com/c"}}),
    ("/apis/networking.k8s.io/v1/namespaces/default/ingresses", {"spec": {"defaultBackend": {
        "service": {"name": "x", "port": {"number": 80}}}}}),
    ("/apis/networking.k8s.io/v1/namespaces/default/networkpolicies", {"spec": {
        "podSelector": {}}}),
    ("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
        "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": []}),
    ("/apis/scheduling.k8s.io/v1/priorityclasses", {"value": 5}),
    ("/apis/storage.k8s.io/v1/storageclasses", {"provisioner": "example.com/p"}),
    ("/apis/storage.k8s.io/v1/csinodes", {"spec": {"drivers": []}}),
    ("/apis/storage.k8s.io/v1/namespaces/default/csistoragecapacities", {
        "storageClassName": "s", "capacity": "1Gi"}),
    ("/apis/policy/v1/namespaces/default/poddisruptionbudgets", {"spec": {
        "minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}}),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", {"rules": []}),
    ("/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", {"rules": []}),
    ("/apis/events.k8s.io/v1/namespaces/default/events", {
        "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "reason": "Tested",
        "action": "Test", "reportingController": "e2e", "reportingInstance": "e2e-1",
        "regarding": {"kind": "Pod", "name": "p", "namespace": "default"}}),
    ("/apis/certificates.k8s.io/v1/certificatesigningrequests", {"spec": {
        "signerName": "example.com/s", "usages": ["client auth"], "request": "CSR"}}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), LIFECYCLES, ids=lambda v: str(v)[-40:])
def test_28_to_31_lifecycles(c: Cluster, path: str, body: dict[str, Any]) -> None:
    """Created, read, listed by label, patched, replaced, watched, deleted alone and by label."""
    start = get_(c, path)["metadata"]["resourceVersion"]
    stream = watch(c, f"{path}?labelSelector=e2e=yes", start)
    if get(body, "spec", "request"):
        body = {**body, "spec": {**body["spec"], "request": SIGNING}}
    for name in ("one", "two"):
        made = post(c, path, {**body, "metadata": {"name": name, "labels": {"e2e": "yes"}}})
        assert made["metadata"]["uid"] and made["metadata"]["creationTimestamp"]
    assert names(get_(c, f"{path}?labelSelector=e2e=yes")) == ["one", "two"]
    changed = patch(c, f"{path}/one", {"metadata": {"annotations": {"patched": "true"}}})
    assert changed["metadata"]["annotations"]["patched"] == "true"
    whole = {**get_(c, f"{path}/one")}
    whole["metadata"] = {**whole["metadata"], "annotations": {"updated": "true"}}
    answer = c.request("PUT", f"{path}/one", whole)
    assert answer.status == 200, answer.message
    assert answer.body["metadata"]["annotations"] == {"updated": "true"}
    assert c.request("DELETE", f"{path}/one").status == 200
    assert c.request("GET", f"{path}/one").status == 404
    assert c.request("DELETE", f"{path}?labelSelector=e2e=yes").status == 200
    c.settle()
    assert names(get_(c, f"{path}?labelSelector=e2e=yes")) == []
    kinds_told = [e["type"] for e in stream.events]
    assert kinds_told.count("ADDED") == 2 and kinds_told.count("DELETED") == 2
    assert kinds_told.count("MODIFIED") >= 2


def test_30_mandatory_flow_objects(c: Cluster) -> None:
    """The schemas and levels `exempt` and `catch-all` are there."""
    assert {"exempt", "catch-all"} <= set(names(get_(c, f"{FLOW}/flowschemas")))
    assert {"exempt", "catch-all"} <= set(names(get_(c, f"{FLOW}/prioritylevelconfigurations")))


# Status and scale of workloads.

SCALED = [
    (f"{APPS}/deployments", workload()), (f"{APPS}/replicasets", workload()),
    (f"{APPS}/statefulsets", {**workload(), "spec": {**workload()["spec"], "serviceName": "w"}}),
    (f"{DEFAULT}/replicationcontrollers", {"metadata": {"name": "w"}, "spec": {
        "replicas": 1, "selector": {"app": "w"}, "template": workload()["spec"]["template"]}}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), SCALED, ids=lambda v: str(v)[-24:])
def test_38_scale_is_read_replaced_and_patched(c: Cluster, path: str, body: Any) -> None:
    """The scale subresource changes the wish and nothing else."""
    post(c, path, body)
    scale = get_(c, f"{path}/w/scale")
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 1)
    scale = {**scale, "spec": {"replicas": 2}}
    answer = c.request("PUT", f"{path}/w/scale", scale)
    assert answer.status == 200, answer.message
    assert get_(c, f"{path}/w")["spec"]["replicas"] == 2
    assert patch(c, f"{path}/w/scale", {"spec": {"replicas": 4}})["spec"]["replicas"] == 4
    assert get_(c, f"{path}/w")["spec"]["replicas"] == 4


STATUSES = [
    *SCALED[:3],
    (f"{APPS}/daemonsets", {"metadata": {"name": "w"}, "spec": {
        k: v for k, v in workload()["spec"].items() if k != "replicas"}}),
    ("/apis/batch/v1/namespaces/default/jobs", {"metadata": {"name": "w"}, "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "c", "image": "nginx"}]}}}}),
    ("/apis/policy/v1/namespaces/default/poddisruptionbudgets", {"metadata": {"name": "w"},
     "spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), STATUSES, ids=lambda v: str(v)[-24:])
def test_39_status_is_read_patched_and_watched(c: Cluster, path: str, body: Any) -> None:
    """A condition that is patched in is read again, and a watch tells of it."""
    post(c, path, body)
    c.settle()
    start = get_(c, path)["metadata"]["resourceVersion"]
    stream = watch(c, path, start)
    condition = {"type": "Told", "status": "True", "reason": "E2E", "message": "m",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    change = {"metadata": {"annotations": {"a": "b"}}, "status": {"conditions": [condition]}}
    body = patch(c, f"{path}/w/status", change)
    assert body["status"]["conditions"][0]["type"] == "Told"
    assert get_(c, f"{path}/w/status")["metadata"]["annotations"]["a"] == "b"
    c.settle()
    assert any(get(e["object"], "status", "conditions", 0, "type") == "Told" for e in stream.events)
