"""Policies in CEL and webhooks: what they refuse, warn of and change, in the server's words."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from kubelab import Cluster
from kubelab.network.payloads import HttpRequest, HttpResponse
from kubelab.runtime.process import Process, Program

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"


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


def rule(resource: str, *operations: str, group: str = "") -> dict[str, Any]:
    return {
        "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource],
        "operations": list(operations) or ["CREATE"],
    }  # fmt: skip


def policy(c: Cluster, validations: list[Any], match: dict[str, Any], **spec: Any) -> Any:
    body = {
        "metadata": {"name": "p"},
        "spec": {
            "matchConstraints": {"resourceRules": [match]},
            "validations": validations,
            **spec,
        },
    }
    return c.request("POST", f"{ADMISSION}/validatingadmissionpolicies", body)


def bind(c: Cluster, *actions: str, **spec: Any) -> None:
    body = {
        "metadata": {"name": "b"},
        "spec": {"policyName": "p", "validationActions": list(actions), **spec},
    }
    answer = c.request("POST", f"{ADMISSION}/validatingadmissionpolicybindings", body)
    assert answer.status == 201, answer.message


def deployment(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "c", "image": "nginx"}
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }  # fmt: skip


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def test_a_policy_with_conditions_and_variables_refuses_a_deployment(c: Cluster) -> None:
    """The words name policy, binding and expression; what does not meet the condition passes."""
    answer = policy(
        c, [{"expression": "variables.count <= 5"}], rule("deployments", group="apps"),
        variables=[{"name": "count", "expression": "object.spec.replicas"}],
        matchConditions=[{"name": "not-free", "expression": "object.metadata.name != 'free'"}],
    )  # fmt: skip
    assert answer.status == 201
    bind(c, "Deny")
    refused = c.request("POST", DEPLOYMENTS, deployment("web", 6))
    said = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: "
    said += "variables.count <= 5"
    assert (refused.status, refused.reason) == (422, "Invalid")
    assert refused.message == f'deployments.apps "web" is forbidden: {said}'
    assert refused.body["details"]["causes"] == [{"message": said}]
    assert c.request("POST", DEPLOYMENTS, deployment("web", 5)).status == 201
    assert c.request("POST", DEPLOYMENTS, deployment("free", 9)).status == 201


@pytest.mark.parametrize(
    ("validation", "code", "words"),
    [
        ({"expression": "false", "message": "never"}, 422, "never"),
        ({"expression": "false", "messageExpression": "'no ' + object.metadata.name"}, 422, "no a"),
        ({"expression": "false", "messageExpression": "object.no", "message": "so"}, 422, "so"),
        ({"expression": "false", "reason": "Forbidden"}, 403, "failed expression: false"),
        ({"expression": "object.data.missing == ''"}, 422,
         "expression 'object.data.missing == ''' resulted in error: no such key: missing"),
        ({"expression": "request.userInfo.username == 'x'"}, 422,
         "failed expression: request.userInfo.username == 'x'"),
        ({"expression": "namespaceObject.metadata.name == 'x'"}, 422,
         "failed expression: namespaceObject.metadata.name == 'x'"),
        ({"expression": "authorizer.group('').resource('pods').check('get').allowed() == false"},
         422, "failed expression: authorizer.group('').resource('pods').check('get').allowed() == "
         "false"),
    ],
)  # fmt: skip
def test_what_a_refusal_says(c: Cluster, validation: Any, code: int, words: str) -> None:
    """A messageExpression goes before a message, and that before the expression itself."""
    assert policy(c, [validation], rule("configmaps")).status == 201
    bind(c, "Deny")
    refused = c.request("POST", MAPS, config_map("a", k="v"))
    assert refused.status == code
    assert refused.message.endswith(f"denied request: {words}")


def test_a_binding_may_only_warn(c: Cluster) -> None:
    """Warn lets pass and says so in a header; Audit only notes it."""
    policy(c, [{"expression": "object.metadata.name == 'b'"}], rule("configmaps"))
    bind(c, "Warn", "Audit")
    answer = c.request("POST", MAPS, config_map("a"))
    assert answer.status == 201
    assert answer.headers["Warning"] == (
        "299 - \"Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': failed "
        "expression: object.metadata.name == 'b'\""
    )


def test_an_expression_sees_what_was_before(c: Cluster) -> None:
    """oldObject is null where an object is made, and there where it is changed or deleted."""
    match = rule("configmaps", "CREATE", "UPDATE", "DELETE")
    policy(
        c, [
            {"expression": "oldObject == null || object != null", "message": "stays"},
            {"expression": "oldObject == null || object == null || "
             "object.data.n == oldObject.data.n", "message": "same"},
        ], match,
    )  # fmt: skip
    bind(c, "Deny")
    assert c.request("POST", MAPS, config_map("a", n="1")).status == 201
    merge = {"Content-Type": "application/merge-patch+json"}
    changed = c.request("PATCH", f"{MAPS}/a", {"data": {"n": "2"}}, merge)
    assert changed.message.endswith("denied request: same")
    assert c.request("PATCH", f"{MAPS}/a", {"data": {"m": "2"}}, merge).status == 200
    assert c.request("DELETE", f"{MAPS}/a").message.endswith("denied request: stays")


def test_parameters_come_from_other_objects(c: Cluster) -> None:
    """Each binding has its own limit; without the object it refuses if it must."""
    policy(
        c, [{"expression": "object.spec.replicas <= int(params.data.most)"}],
        rule("deployments", group="apps"),
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
    )  # fmt: skip
    reference = {"name": "limit", "namespace": "default", "parameterNotFoundAction": "Deny"}
    bind(c, "Deny", paramRef=reference)
    missing = c.request("POST", DEPLOYMENTS, deployment("web", 1))
    assert missing.message.endswith(
        "denied request: failed to configure binding: no params found for policy binding with "
        "`Deny` parameterNotFoundAction"
    )
    c.request("POST", MAPS, config_map("limit", most="3"))
    assert c.request("POST", DEPLOYMENTS, deployment("web", 3)).status == 201
    assert c.request("POST", DEPLOYMENTS, deployment("more", 4)).status == 422


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("object.x == foo", "ERROR: <input>:1:13: undeclared reference to 'foo' (in container '')"),
        ("1 +", "ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>'"),
        ("params.a == 1", "ERROR: <input>:1:1: undeclared reference to 'params'"),
    ],
)
def test_an_expression_that_is_none_is_refused_when_it_is_written(
    c: Cluster, text: str, words: str
) -> None:
    """The field is named, and the place in the text where it ceases to be an expression."""
    answer = policy(c, [{"expression": text}], rule("pods"))
    assert answer.status == 422
    cause = answer.body["details"]["causes"][0]
    assert cause["field"] == "spec.validations[0].expression"
    assert f'Invalid value: "{text}": compilation failed: {words}' in cause["message"]


def test_who_denies_need_not_warn(c: Cluster) -> None:
    """A binding may not both deny and warn."""
    body = {
        "metadata": {"name": "b"},
        "spec": {"policyName": "p", "validationActions": ["Deny", "Warn"]},
    }
    answer = c.request("POST", f"{ADMISSION}/validatingadmissionpolicybindings", body)
    assert answer.message == (
        'ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io "b" is invalid: '
        'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and '
        "Warn (repeating the same validation failure information in the API response and headers "
        "serves no purpose)"
    )


def test_a_policy_changes_objects(c: Cluster) -> None:
    """By a part that is applied, or by a JSON patch; a test that fails leaves the object alone."""
    mutations = [
        {"patchType": "ApplyConfiguration", "applyConfiguration": {
            "expression": "Object{metadata: Object.metadata{labels: {'team': 'a'}}}"}},
        {"patchType": "JSONPatch", "jsonPatch": {
            "expression": "[JSONPatch{op: 'add', path: '/metadata/labels/' + "
            "jsonpatch.escapeKey('k/l'), value: 'v'}]"}},
        {"patchType": "JSONPatch", "jsonPatch": {
            "expression": "[JSONPatch{op: 'test', path: '/data/n', value: 'x'}, "
            "JSONPatch{op: 'remove', path: '/data/n'}]"}},
    ]  # fmt: skip
    spec = {
        "matchConstraints": {"resourceRules": [rule("configmaps")]}, "mutations": mutations,
        "reinvocationPolicy": "Never",
    }  # fmt: skip
    for plural, more in (("policies", spec), ("policybindings", {"policyName": "m"})):
        body = {"metadata": {"name": "m"}, "spec": more}
        answer = c.request("POST", f"{ADMISSION}/mutatingadmission{plural}", body)
        assert answer.status == 201, answer.message
    answer = c.request("POST", MAPS, config_map("a", n="1"))
    assert answer.status == 201, answer.message
    made = answer.body
    assert made["metadata"]["labels"] == {"team": "a", "k/l": "v"}
    assert made["data"] == {"n": "1"}


def hook(c: Cluster, kind: str, service: str, **more: Any) -> None:
    """A configuration of one webhook, about new Secrets."""
    row = {
        "name": "guard.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "clientConfig": {"service": {"name": service, "namespace": "default", "path": "/check"}},
        "rules": [rule("secrets")], **more,
    }  # fmt: skip
    body = {"metadata": {"name": "w"}, "webhooks": [row]}
    answer = c.request("POST", f"{ADMISSION}/{kind}webhookconfigurations", body)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize("kind", ["validating", "mutating"])
def test_a_webhook_that_cannot_be_called(c: Cluster, kind: str) -> None:
    """With Fail nothing of its kind is made; with Ignore it is as if it were not there."""
    hook(c, kind, "missing")
    refused = c.request("POST", SECRETS, {"metadata": {"name": "s"}})
    assert (refused.status, refused.reason) == (500, "InternalError")
    assert refused.message == (
        'Internal error occurred: failed calling webhook "guard.example.com": failed to call '
        'webhook: Post "https://missing.default.svc:443/check?timeout=10s": service "missing" not '
        "found"
    )
    path = f"{ADMISSION}/{kind}webhookconfigurations/w"
    change = [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]
    media = {"Content-Type": "application/json-patch+json"}
    assert c.request("PATCH", path, change, media).status == 200
    assert c.request("POST", SECRETS, {"metadata": {"name": "s"}}).status == 201


class Guard(Program):
    """Refuses what is called bad, labels the rest."""

    def start(self, process: Process) -> None:
        process.listen(8443)

    def request(self, process: Process, port: int, protocol: str, payload: Any) -> Any:
        assert isinstance(payload, HttpRequest) and payload.path == "/check"
        asked = json.loads(payload.body)["request"]
        said: dict[str, Any] = {"uid": asked["uid"], "allowed": True, "warnings": ["looked at it"]}
        if asked["name"] == "bad":
            said |= {"allowed": False, "status": {"message": "no bad ones", "code": 403}}
        else:
            change = [{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}]
            said |= {"patchType": "JSONPatch", "patch": base64.b64encode(
                json.dumps(change).encode()).decode()}  # fmt: skip
        review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": said}
        return HttpResponse(200, json.dumps(review))


def test_a_webhook_in_a_pod_is_asked() -> None:
    """Its refusal is the answer, its patch is laid over the object, its warnings are passed on."""
    c = Cluster(nodes=1, dns=False)
    c.image("guard", Guard)
    labels = {"app": "guard"}
    c.apply([
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "guard", "labels": labels},
         "spec": {"containers": [
             {"name": "c", "image": "guard", "ports": [{"containerPort": 8443}]}]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "guard"},
         "spec": {"selector": labels, "ports": [{"port": 443, "targetPort": 8443}]}},
    ])  # fmt: skip
    c.settle()
    hook(c, "mutating", "guard")
    made = c.request("POST", SECRETS, {"metadata": {"name": "good"}})
    assert made.status == 201, made.message
    assert made.body["metadata"]["labels"] == {"seen": "yes"}
    assert made.headers["Warning"] == '299 - "looked at it"'
    refused = c.request("POST", SECRETS, {"metadata": {"name": "bad"}})
    assert refused.message == (
        'admission webhook "guard.example.com" denied the request: no bad ones'
    )
    assert refused.status == 403
    c.faults.stop_node("node-1")
    late = c.request("POST", SECRETS, {"metadata": {"name": "later"}})
    assert late.status == 500
    assert (
        'failed calling webhook "guard.example.com": failed to call webhook: Post' in late.message
    )
