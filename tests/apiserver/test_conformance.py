"""What Kubernetes' conformance tests ask of an API server, one behaviour a test: API machinery.

In Kubernetes: test/conformance/testdata/conformance.yaml; the tests there are programs that run
pods, these keep to what the API itself can be asked.
"""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from kubelab.api import kinds
from kubelab.api.objects import get
from tests.apiserver.asking import (
    AGGREGATED,
    APPS,
    DEFAULT,
    JSON_PATCH,
    TABLE,
    get_,
    names,
    patch,
    pod,
    post,
    settle_until,
    template,
    told,
    watch,
    workload,
)

# API machinery.


def test_01_version_numbers_are_whole(c: Cluster) -> None:
    """`/version` answers major and minor that are whole numbers."""
    version = get_(c, "/version")
    assert version["major"].isdigit() and version["minor"].isdigit()


def test_02_every_group_has_a_preferred_version(c: Cluster) -> None:
    """It is among the group's versions, and each version lists its resources."""
    for group in get_(c, "/apis")["groups"]:
        versions = [row["groupVersion"] for row in group["versions"]]
        assert group["preferredVersion"]["groupVersion"] in versions
        for version in versions:
            assert get_(c, f"/apis/{version}")["groupVersion"] == version


def test_03_aggregated_discovery_has_every_resource(c: Cluster) -> None:
    """Both `/api` and `/apis` answer it when asked for, and the old form when not."""
    found = []
    for path, old in (("/api", "APIVersions"), ("/apis", "APIGroupList")):
        assert get_(c, path)["kind"] == old
        body = get_(c, path, AGGREGATED)
        assert body["kind"] == "APIGroupDiscoveryList"
        for group in body["items"]:
            for version in group["versions"]:
                found += [
                    (group["metadata"].get("name", ""), version["version"], row["resource"])
                    for row in version["resources"]
                ]
    assert {(k.group, k.version, k.plural) for k in kinds.ALL} <= set(found)


def test_04_pages_are_of_one_moment(c: Cluster) -> None:
    """No page has more than the limit; each carries the first one's resourceVersion."""
    for number in range(5):
        post(c, f"{DEFAULT}/podtemplates", template(f"t{number}"))
    first = get_(c, f"{DEFAULT}/podtemplates?limit=2")
    assert (len(first["items"]), first["metadata"]["remainingItemCount"]) == (2, 3)
    post(c, f"{DEFAULT}/podtemplates", template("t9"))
    page, seen = first, names(first)
    while page["metadata"].get("continue"):
        page = get_(c, f"{DEFAULT}/podtemplates?limit=2&continue={page['metadata']['continue']}")
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        assert len(page["items"]) <= 2
        seen += names(page)
    assert seen == ["t0", "t1", "t2", "t3", "t4"]


def test_05_a_page_token_expires(c: Cluster) -> None:
    """410 Expired carries a token that goes on from the same key on what is there now."""
    for number in range(4):
        post(c, f"{DEFAULT}/configmaps", {"metadata": {"name": f"m{number}"}})
    token = get_(c, f"{DEFAULT}/configmaps?limit=2")["metadata"]["continue"]
    c.run(660)
    late = c.request("GET", f"{DEFAULT}/configmaps?limit=2&continue={token}")
    assert (late.status, late.reason) == (410, "Expired")
    assert late.message.startswith(
        "The provided continue parameter is too old to display a consistent list result."
    )
    fresh = late.body["metadata"]["continue"]
    assert names(get_(c, f"{DEFAULT}/configmaps?continue={fresh}"))[-3:] == ["m1", "m2", "m3"]


def test_06_what_is_no_table_is_406(c: Cluster) -> None:
    """A review cannot be shown as a Table."""
    body = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert c.request("POST", path, body, TABLE).status == 406
    table = get_(c, "/api/v1/namespaces", TABLE)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")


def test_07_to_11_watches(c: Cluster) -> None:
    """From an old version a watch tells what came after it, to each selector what is its own."""
    maps = f"{DEFAULT}/configmaps"
    start = get_(c, maps)["metadata"]["resourceVersion"]
    all_ = watch(c, maps, start)
    mine = watch(c, f"{maps}?labelSelector=mine=yes", start)
    post(c, maps, {"metadata": {"name": "a", "labels": {"mine": "yes"}}})
    middle = post(c, maps, {"metadata": {"name": "b"}})["metadata"]["resourceVersion"]
    patch(c, f"{maps}/a", {"metadata": {"labels": {"mine": "no"}}})
    patch(c, f"{maps}/a", {"metadata": {"labels": {"mine": "yes"}}})
    assert c.request("DELETE", f"{maps}/a").status == 200
    c.settle()
    assert told(all_) == [
        ("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("MODIFIED", "a"), ("DELETED", "a")
    ]  # fmt: skip
    assert told(mine) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a"), ("DELETED", "a")]
    late = watch(c, maps, middle)
    c.settle()
    assert told(late) == told(all_)[2:]
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in all_.events]
    assert versions == sorted(versions)


def test_12_a_namespace_goes_after_its_contents(c: Cluster) -> None:
    """Terminating it refuses new content, and is gone only after all that is in it."""
    post(c, "/api/v1/namespaces", {"metadata": {"name": "gone"}})
    c.settle()
    post(c, "/api/v1/namespaces/gone/configmaps", {
        "metadata": {"name": "held", "finalizers": ["example.com/hold"]}})  # fmt: skip
    answer = c.request("DELETE", "/api/v1/namespaces/gone")
    assert answer.body["status"]["phase"] == "Terminating"
    c.run(5)
    refused = c.request("POST", "/api/v1/namespaces/gone/pods", pod())
    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert refused.message == (
        'pods "p" is forbidden: unable to create new content in namespace gone because it is '
        "being terminated"
    )
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    patch(c, "/api/v1/namespaces/gone/configmaps/held", {"metadata": {"finalizers": None}})
    settle_until(c, "/api/v1/namespaces/gone", lambda body: body is None, 300)


def test_13_a_namespaces_status_and_finalizers(c: Cluster) -> None:
    """A finalizer holds a namespace; its status is read, patched and replaced."""
    path = "/api/v1/namespaces/f"
    post(c, "/api/v1/namespaces", {"metadata": {"name": "f", "finalizers": ["example.com/x"]}})
    condition = {"type": "Told", "status": "True", "reason": "E2E", "message": "by a patch"}
    patched = patch(c, f"{path}/status", {"status": {"conditions": [condition]}})
    assert patched["status"]["conditions"][0]["message"] == "by a patch"
    body = {**get_(c, f"{path}/status")}
    body["status"] = {**body["status"], "conditions": []}
    assert c.request("PUT", f"{path}/status", body).status == 200
    assert c.request("DELETE", path).status == 200
    c.run(60)
    assert get_(c, path)["status"]["phase"] == "Terminating"
    patch(c, path, {"metadata": {"finalizers": None}})
    settle_until(c, path, lambda body: body is None)


QUOTA = {
    "configmaps": "9", "secrets": "9", "services": "9", "count/replicasets.apps": "9",
    "replicationcontrollers": "9", "pods": "1",
}  # fmt: skip


def test_14_and_15_quota_counts_and_refuses(c: Cluster) -> None:
    """Each object counts while it lives; the pod over the limit is 403; new limits are seen."""
    path = f"{DEFAULT}/resourcequotas/q"
    post(c, f"{DEFAULT}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": QUOTA}})
    base = settle_until(c, path, lambda q: q and get(q, "status", "used"))["status"]["used"]
    post(c, f"{DEFAULT}/configmaps", {"metadata": {"name": "m"}})
    post(c, f"{DEFAULT}/secrets", {"metadata": {"name": "s"}})
    post(c, f"{APPS}/replicasets", workload("r", 0))
    post(c, f"{DEFAULT}/pods", pod())
    service = {"metadata": {"name": "v"}, "spec": {"ports": [{"port": 80}]}}
    post(c, f"{DEFAULT}/services", service)

    def grown(quota: Any) -> bool:
        used = quota["status"]["used"]
        return all(
            int(used[key]) == int(base[key]) + 1
            for key in ("configmaps", "secrets", "services", "count/replicasets.apps", "pods")
        )

    settle_until(c, path, grown)
    refused = c.request("POST", f"{DEFAULT}/pods", pod("two"))
    assert refused.message == (
        'pods "two" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: '
        "pods=1"
    )
    patch(c, path, {"spec": {"hard": {"pods": "3"}}})
    settle_until(c, path, lambda q: q["status"]["hard"]["pods"] == "3")
    assert c.request("DELETE", f"{DEFAULT}/pods/p").status == 200
    settle_until(c, path, lambda q: q["status"]["used"]["pods"] == "0")


def test_16_quota_scopes(c: Cluster) -> None:
    """A quota of a scope counts only its pods."""
    for scope in ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating"):
        body = {"metadata": {"name": scope.lower()},
                "spec": {"hard": {"pods": "5"}, "scopes": [scope]}}  # fmt: skip
        post(c, f"{DEFAULT}/resourcequotas", body)
    post(c, f"{DEFAULT}/pods", pod("best"))
    resources = {"requests": {"cpu": "1"}}
    post(c, f"{DEFAULT}/pods", {"metadata": {"name": "ends"}, "spec": {
        "activeDeadlineSeconds": 600,
        "containers": [{"name": "c", "image": "nginx", "resources": resources}]}})  # fmt: skip
    c.settle()
    used = {
        q["metadata"]["name"]: q["status"]["used"]["pods"]
        for q in get_(c, f"{DEFAULT}/resourcequotas")["items"]
    }
    assert used == {"besteffort": "1", "notbesteffort": "1", "terminating": "1",
                    "notterminating": "1"}  # fmt: skip


def test_17_the_status_of_a_quota_leaves_its_spec_alone(c: Cluster) -> None:
    """What a write to `/status` says of the spec is not heard."""
    path = f"{DEFAULT}/resourcequotas/q"
    post(c, f"{DEFAULT}/resourcequotas", {"metadata": {"name": "q"}, "spec": {
        "hard": {"cpu": "1"}}})  # fmt: skip
    c.settle()
    body = patch(c, f"{path}/status", {"spec": {"hard": {"cpu": "9"}}, "status": {
        "hard": {"cpu": "2"}}})  # fmt: skip
    assert (body["spec"]["hard"], body["status"]["hard"]) == ({"cpu": "1"}, {"cpu": "2"})


def test_18_limit_ranges(c: Cluster) -> None:
    """Defaults are filled in, what is over or under is refused, and a change counts at once."""
    item = {"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "100m"},
            "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "200m"}}  # fmt: skip
    body = {"metadata": {"name": "l"}, "spec": {"limits": [item]}}
    post(c, f"{DEFAULT}/limitranges", body)
    made = post(c, f"{DEFAULT}/pods", pod())
    assert made["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "200m"}, "limits": {"cpu": "500m"}}  # fmt: skip
    big = pod("big")
    big["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "3"}}
    refused = c.request("POST", f"{DEFAULT}/pods", big)
    assert refused.message == (
        'pods "big" is forbidden: maximum cpu usage per Container is 2, but limit is 3'
    )
    body["spec"]["limits"][0]["max"] = {"cpu": "4"}
    assert c.request("PUT", f"{DEFAULT}/limitranges/l", body).status == 200
    post(c, f"{DEFAULT}/pods", big)


CRD = {
    "metadata": {"name": "foos.example.com", "labels": {"e2e": "yes"}},
    "spec": {
        "group": "example.com", "scope": "Namespaced",
        "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {
                    "a": {"type": "string", "default": "A"},
                    "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
                    "loose": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                }}}},
            {"name": "v2", "served": True, "storage": False, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": True}}},
        ],
    },
}  # fmt: skip
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FOOS = "/apis/example.com/v1/namespaces/default/foos"


def define(c: Cluster) -> None:
    post(c, DEFINITIONS, CRD)
    c.settle()


def test_23_definitions(c: Cluster) -> None:
    """A definition is listed by label, patched in its status, and shows in discovery."""
    define(c)
    assert names(get_(c, f"{DEFINITIONS}?labelSelector=e2e=yes")) == ["foos.example.com"]
    condition = {"type": "Told", "status": "True", "reason": "E2E", "message": "m",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"}  # fmt: skip
    path = f"{DEFINITIONS}/foos.example.com/status"
    held = get_(c, path)["status"]["conditions"]
    body = patch(c, path, {"status": {"conditions": [*held, condition]}})
    assert body["status"]["conditions"][-1]["type"] == "Told"
    assert get_(c, "/apis/example.com/v1")["resources"][0]["name"] == "foos"
    assert "apis/example.com/v1" in get_(c, "/openapi/v3")["paths"]
    assert c.request("DELETE", f"{DEFINITIONS}?labelSelector=e2e=yes").status == 200
    c.run(30)
    assert c.request("GET", FOOS).status == 404


def test_24_schema_defaults(c: Cluster) -> None:
    """Defaults are filled into requests, and into what is stored as it is read."""
    define(c)
    assert post(c, FOOS, {"metadata": {"name": "x"}})["a"] == "A"
    change = [{"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/b",
               "value": {"type": "string", "default": "B"}}]  # fmt: skip
    patch(c, f"{DEFINITIONS}/foos.example.com", change, JSON_PATCH)
    c.settle()
    assert get_(c, f"{FOOS}/x")["b"] == "B"


def test_25_versions_come_and_go(c: Cluster) -> None:
    """A version that is no longer served leaves discovery and OpenAPI."""
    define(c)
    assert "apis/example.com/v2" in get_(c, "/openapi/v3")["paths"]
    change = [{"op": "replace", "path": "/spec/versions/1/served", "value": False}]
    patch(c, f"{DEFINITIONS}/foos.example.com", change, JSON_PATCH)
    c.settle()
    assert "apis/example.com/v2" not in get_(c, "/openapi/v3")["paths"]
    assert c.request("GET", "/apis/example.com/v2").status == 404
    change = [{"op": "replace", "path": "/spec/versions/1/name", "value": "v3"},
              {"op": "replace", "path": "/spec/versions/1/served", "value": True}]  # fmt: skip
    patch(c, f"{DEFINITIONS}/foos.example.com", change, JSON_PATCH)
    c.settle()
    paths = get_(c, "/openapi/v3")["paths"]
    assert "apis/example.com/v3" in paths and "apis/example.com/v2" not in paths


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (f"{APPS}/deployments", b'{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":'
         b'"x","unknownMeta":1},"spec":{"paused":true,"paused":false}}',
         'strict decoding error: duplicate field "spec.paused", unknown field '
         '"metadata.unknownMeta"'),
        (FOOS, b'{"apiVersion":"example.com/v1","kind":"Foo","metadata":{"name":"x","nope":1},'
         b'"spec":{"bad":1}}', 'unknown field "metadata.nope"'),
        (FOOS, b'{"apiVersion":"example.com/v1","kind":"Foo","metadata":{"name":"x"},'
         b'"spec":{"bad":1}}', 'strict decoding error: unknown field "spec.bad"'),
        (FOOS, b'{"apiVersion":"example.com/v1","kind":"Foo","metadata":{"name":"x"},'
         b'"loose":{"a":1,"a":2}}', 'strict decoding error: duplicate field "loose.a"'),
    ],
)  # fmt: skip
def test_26_strict_field_validation(c: Cluster, path: str, body: bytes, words: str) -> None:
    """Unknown and duplicate fields are refused, of built-in and of custom resources."""
    define(c)
    headers = {"Content-Type": "application/json"}
    answer = c.request("POST", f"{path}?fieldValidation=Strict", body, headers)
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert words in answer.message
    loose = b'{"apiVersion":"example.com/v1","kind":"Foo","metadata":{"name":"y"},"loose":{"z":1}}'
    answer = c.request("POST", f"{FOOS}?fieldValidation=Strict", loose, headers)
    assert answer.status == 201, answer.message


def test_27_several_versions(c: Cluster) -> None:
    """Without a conversion only apiVersion changes."""
    define(c)
    post(c, FOOS, {"metadata": {"name": "one"}})
    two = FOOS.replace("v1", "v2")
    post(c, two, {"metadata": {"name": "two"}})
    for path, version in ((FOOS, "example.com/v1"), (two, "example.com/v2")):
        body = get_(c, path)
        assert names(body) == ["one", "two"]
        assert [item["apiVersion"] for item in body["items"]] == [version, version]
