"""What admission lets in, fills in and refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubelab import Cluster
from kubelab.api.objects import freeze
from kubelab.apiserver import admission_limits, podsecurity
from kubelab.user import make_request

PODS = "/api/v1/namespaces/default/pods"


def pod(name: str, cpu: str = "100m", **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "nginx", "resources": {"requests": {"cpu": cpu}}}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [container], **spec},
    }  # fmt: skip


def quota(**hard: str) -> dict[str, Any]:
    named = {key.replace("__", "."): value for key, value in hard.items()}
    return {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"},
        "spec": {"hard": named},
    }  # fmt: skip


@settings(max_examples=15)
@given(st.lists(st.integers(50, 400), min_size=1, max_size=8), st.integers(1, 4))
def test_creates_at_one_moment_never_pass_a_quota_together(cpus: list[int], count: int) -> None:
    """Whatever is asked at once, what is let in keeps to both limits of the quota."""
    c = Cluster(nodes=0, dns=False)
    c.run(2)
    c.apply(quota(pods=str(count), requests__cpu="1"))
    c.run(2)
    for number, cpu in enumerate(cpus):
        request = make_request("POST", PODS, pod(f"p{number}", f"{cpu}m"))
        c.history.inject("you", "ask", 1000 + number, request, False)
    c.run(3)
    held = [p["metadata"]["name"] for p in c.moment().list("Pod", "default")]
    assert len(held) <= count
    assert sum(cpus[int(name[1:])] for name in held) <= 1000
    assert len(held) >= 1


def test_server_side_apply_is_admitted_as_a_create() -> None:
    """An object that an apply makes counts under a quota too."""
    c = Cluster(nodes=0, dns=False)
    c.run(2)
    c.apply(quota(pods="0"))
    c.run(2)
    answer = c.request(
        "PATCH", f"{PODS}/p?fieldManager=me", pod("p"),
        {"Content-Type": "application/apply-patch+yaml"},
    )  # fmt: skip
    assert answer.message == (
        'pods "p" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0'
    )


def test_a_dry_run_uses_nothing_up() -> None:
    """After a dry run of the only pod that fits, it still fits."""
    c = Cluster(nodes=0, dns=False)
    c.run(2)
    c.apply(quota(pods="1"))
    c.run(2)
    assert c.request("POST", f"{PODS}?dryRun=All", pod("p")).status == 201
    assert c.request("POST", PODS, pod("p")).status == 201


LIMITED = freeze({
    "spec": {"limits": [
        {"type": "Container", "min": {"memory": "8Mi"}, "max": {"cpu": "1"}},
    ]},
})  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"limits": {"cpu": "1"}, "requests": {"memory": "8Mi"}}, ""),
        ({"limits": {"cpu": "2"}, "requests": {"memory": "8Mi"}},
         "maximum cpu usage per Container is 1, but limit is 2"),
        ({"limits": {"cpu": "2"}},
         "[minimum memory usage per Container is 8Mi.  No request is specified, "
         "maximum cpu usage per Container is 1, but limit is 2]"),
        ({"requests": {"memory": "9Mi"}},
         "maximum cpu usage per Container is 1.  No limit is specified"),
    ],
)  # fmt: skip
def test_limits_of_a_container(resources: dict[str, Any], said: str) -> None:
    """Several faults are told in brackets, in order."""
    container = {"name": "c", "resources": resources}
    obj = freeze({"kind": "Pod", "spec": {"containers": [container]}})
    assert admission_limits.check(obj, [LIMITED]) == said


@pytest.mark.parametrize(
    ("spec", "level", "said"),
    [
        ({"containers": [{"name": "a"}]}, "baseline", []),
        ({"hostNetwork": True, "hostPID": True, "containers": [
            {"name": "a", "ports": [{"hostPort": 80}], "securityContext": {"privileged": True}},
            {"name": "b", "ports": [{"hostPort": 81}]}],
          "volumes": [{"name": "h", "hostPath": {"path": "/"}}]}, "baseline",
         ["host namespaces (hostNetwork=true, hostPID=true)",
          'hostPath volumes (volume "h")',
          'hostPort (containers "a", "b" use hostPorts 80, 81)',
          'privileged (container "a" must not set securityContext.privileged=true)']),
        ({"containers": [{"name": "a", "securityContext": {
            "capabilities": {"add": ["NET_ADMIN", "CHOWN"]},
            "seccompProfile": {"type": "Unconfined"}}}]}, "baseline",
         ['non-default capabilities (container "a" must not include "NET_ADMIN" in '
          "securityContext.capabilities.add)",
          'seccompProfile (container "a" must not set securityContext.seccompProfile.type to '
          '"Unconfined")']),
        ({"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
          "containers": [{"name": "a", "securityContext": {
              "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}]},
         "restricted", []),
    ],
)  # fmt: skip
def test_levels_of_pod_security(spec: dict[str, Any], level: str, said: list[str]) -> None:
    """Each check names what is wrong and where."""
    assert podsecurity.violations(freeze(spec), level) == said


# Plugins of few kinds.


@pytest.fixture(scope="module")
def settled() -> Cluster:
    """A cluster of one node that stands still."""
    cluster = Cluster(nodes=1, dns=False)
    cluster.settle()
    return cluster


@pytest.fixture
def c(settled: Cluster) -> Cluster:
    """A cluster of the test's own."""
    return settled.fork()


def as_node(c: Cluster, node: str, method: str, path: str, body: Any = None, **more: str) -> Any:
    """A request in the name of a node's kubelet."""
    headers = {"Impersonate-User": f"system:node:{node}", "Impersonate-Group": "system:nodes"}
    return c.request(method, path, body, headers | more)


MERGE = {"Content-Type": "application/merge-patch+json"}
NODE = "/api/v1/nodes/node-1"
ONLY_MIRRORS = (
    'pod does not have "kubernetes.io/config.mirror" annotation, node "node-1" can only create '
    "mirror pods"
)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/api/v1/nodes/node-1", {"metadata": {"labels": {"x.kubernetes.io/a": "b"}}},
         'nodes "node-1" is forbidden: is not allowed to modify labels: x.kubernetes.io/a'),
        ("/api/v1/nodes/node-1", {"metadata": {"labels": {
            "node-restriction.kubernetes.io/a": "b"}}},
         'nodes "node-1" is forbidden: is not allowed to modify labels: '
         "node-restriction.kubernetes.io/a"),
        ("/api/v1/nodes/node-1", {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}},
         'nodes "node-1" is forbidden: node "node-1" is not allowed to modify taints'),
        ("/api/v1/nodes/node-1", {"metadata": {"labels": {"mine": "b"}}}, ""),
    ],
)  # fmt: skip
def test_a_node_may_change_only_what_is_its_own(
    c: Cluster, path: str, body: Any, words: str
) -> None:
    """NodeRestriction keeps labels and taints by which pods are steered out of a node's hands."""
    answer = as_node(c, "node-1", "PATCH", path, body, **MERGE)
    assert (answer.message if words else str(answer.status)) == (words or "200")


def test_a_node_may_not_change_another(c: Cluster) -> None:
    """Nor make pods that are no mirrors of its own static pods."""
    body = {"metadata": {"labels": {"a": "b"}}}
    other = as_node(c, "node-2", "PATCH", NODE, body, **MERGE)
    assert other.message.endswith('node "node-2" is not allowed to modify node "node-1"')
    made = as_node(c, "node-1", "POST", PODS, pod("p"))
    assert made.message == f'pods "p" is forbidden: {ONLY_MIRRORS}'


def test_a_node_reads_only_the_secrets_of_its_pods(c: Cluster) -> None:
    """The node authorizer looks for a pod on the node that speaks of the object."""
    for name in ("used", "other"):
        path = "/api/v1/namespaces/default/secrets"
        assert c.request("POST", path, {"metadata": {"name": name}}).status == 201
    volume = {"name": "v", "secret": {"secretName": "used"}}
    assert c.request("POST", PODS, pod("p", nodeName="node-1", volumes=[volume])).status == 201
    path = "/api/v1/namespaces/default/secrets"
    assert as_node(c, "node-1", "GET", f"{path}/used").status == 200
    refused = as_node(c, "node-1", "GET", f"{path}/other")
    assert refused.message == (
        'secrets "other" is forbidden: User "system:node:node-1" cannot get resource "secrets" in '
        'API group "" in the namespace "default": no relationship found between node \'node-1\' '
        "and this object"
    )


@pytest.mark.parametrize(
    ("prefix", "annotation", "path", "field", "spec"),
    [
        ("/apis/storage.k8s.io/v1/storageclasses", "storageclass.kubernetes.io/is-default-class",
         "/api/v1/namespaces/default/persistentvolumeclaims", "storageClassName",
         {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}),
        ("/apis/networking.k8s.io/v1/ingressclasses",
         "ingressclass.kubernetes.io/is-default-class",
         "/apis/networking.k8s.io/v1/namespaces/default/ingresses", "ingressClassName",
         {"defaultBackend": {"service": {"name": "x", "port": {"number": 80}}}}),
    ],
)  # fmt: skip
def test_default_classes(
    c: Cluster, prefix: str, annotation: str, path: str, field: str, spec: Any
) -> None:
    """Who names no class gets the newest default one; who names the empty one keeps it."""
    for row in c.request("GET", prefix).body["items"]:
        c.request("DELETE", f"{prefix}/{row['metadata']['name']}")
    c.settle()
    for name in ("old", "new"):
        c.run(2)
        body = {"metadata": {"name": name, "annotations": {annotation: "true"}}}
        more = {"provisioner": "example.com/p"} if "storage" in prefix else {
            "spec": {"controller": "example.com/c"}}  # fmt: skip
        assert c.request("POST", prefix, body | more).status == 201
    made = c.request("POST", path, {"metadata": {"name": "a"}, "spec": spec})
    assert made.body["spec"][field] == "new", made.message
    named = c.request("POST", path, {"metadata": {"name": "b"}, "spec": {**spec, field: "old"}})
    assert named.body["spec"][field] == "old"


def test_a_bound_pod_knows_its_zone(c: Cluster) -> None:
    """Zone and region of the node become labels of the pod when it is bound."""
    labels = {"topology.kubernetes.io/zone": "a", "topology.kubernetes.io/region": "r"}
    assert c.request("PATCH", NODE, {"metadata": {"labels": labels}}, MERGE).status == 200
    c.apply(pod("p"))
    c.settle()
    assert c.get("Pod", "p")["metadata"]["labels"] == labels


SIGNED = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def test_who_approves_needs_leave_for_the_signer(c: Cluster) -> None:
    """To write to `approval` is not enough: the verb approve on the signer is asked, too."""
    rules = [
        {"apiGroups": ["certificates.k8s.io"], "verbs": ["update", "get"],
         "resources": ["certificatesigningrequests/approval"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    ]  # fmt: skip
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    group = "rbac.authorization.k8s.io"
    c.request("POST", f"{rbac}/clusterroles", {"metadata": {"name": "a"}, "rules": rules})
    c.request("POST", f"{rbac}/clusterrolebindings", {
        "metadata": {"name": "a"}, "roleRef": {"apiGroup": group, "kind": "ClusterRole",
                                               "name": "a"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "jane"}]})  # fmt: skip
    spec = {"signerName": "example.com/s", "usages": ["client auth"],
            "request": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUE9PQotLS0tLUVORCBD"
                       "RVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K"}  # fmt: skip
    made = c.request("POST", SIGNED, {"metadata": {"name": "r"}, "spec": spec})
    assert made.status == 201, made.message
    condition = {"type": "Approved", "status": "True", "reason": "R", "message": "m"}
    body = {**made.body, "status": {"conditions": [condition]}}
    refused = c.request("PUT", f"{SIGNED}/r/approval", body, {"Impersonate-User": "jane"})
    assert refused.message == (
        'certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to '
        'approve requests with signerName "example.com/s"'
    )
    done = c.request("PUT", f"{SIGNED}/r/approval", body)
    told = done.body["status"]["conditions"][0]
    assert (
        told["lastUpdateTime"] == told["lastTransitionTime"] == c.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    )


def test_a_change_must_fit_the_quota_too(c: Cluster) -> None:
    """A service that wants a node port counts against `services.nodeports` when it changes."""
    c.apply(quota(services__nodeports="0"))
    c.run(2)
    path = "/api/v1/namespaces/default/services"
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    assert c.request("POST", path, body).status == 201
    refused = c.request("PATCH", f"{path}/s", {"spec": {"type": "NodePort"}}, MERGE)
    assert refused.message == (
        'services "s" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: '
        "services.nodeports=0, limited: services.nodeports=0"
    )


def test_pod_security_looks_at_changes_of_what_runs(c: Cluster) -> None:
    """A new image and a container to look inside are judged, a label is not."""
    assert c.request("POST", PODS, pod("p")).status == 201
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    path = "/api/v1/namespaces/default"
    assert c.request("PATCH", path, {"metadata": {"labels": labels}}, MERGE).status == 200
    label = {"metadata": {"labels": {"a": "b"}}}
    assert c.request("PATCH", f"{PODS}/p", label, MERGE).status == 200
    strategic = {"Content-Type": "application/strategic-merge-patch+json"}
    image = {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}
    refused = c.request("PATCH", f"{PODS}/p", image, strategic)
    assert refused.message.startswith('pods "p" is forbidden: violates PodSecurity "restricted')
    look = {"spec": {"ephemeralContainers": [{"name": "e", "image": "busybox"}]}}
    refused = c.request("PATCH", f"{PODS}/p/ephemeralcontainers", look, strategic)
    assert (refused.status, refused.reason) == (403, "Forbidden")
