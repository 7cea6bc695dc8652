"""Bad input gets Kubernetes' own Status, changes nothing, and never ends in a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubelab import ApiError, Cluster

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "c", "image": "nginx"}]},
}


@pytest.fixture(scope="module")
def settled() -> Cluster:
    """A settled cluster; each test works on a fork."""
    c = Cluster(nodes=1)
    c.settle()
    return c


def refused(c: Cluster, manifest: Any, code: int, reason: str, *words: str) -> ApiError:
    """Applies what is to be refused; checks the Status, and that the store is as it was."""
    before = c.moment().revision
    with pytest.raises(ApiError) as caught:
        c.apply(manifest)
    error = caught.value
    assert (error.code, error.status.get("reason", "")) == (code, reason), error.status
    for word in words:
        assert word in error.status["message"], error.status["message"]
    assert error.status["kind"] == "Status" and error.status["status"] == "Failure"
    assert c.moment().revision == before
    return error


def test_malformed_yaml(settled: Cluster) -> None:
    """Text that is no YAML is refused with the line at which it breaks, before anything is sent."""
    c = settled.fork()
    events = len(c.trace)
    refused(c, "apiVersion: v1\nkind: Pod\n metadata: {", 400, "BadRequest", "line 3")
    refused(c, "just: [a, b]\n", 400, "BadRequest")
    refused(c, "- a\n- b\n", 400, "BadRequest")
    assert len(c.trace) == events


def test_a_file_that_is_not_there(settled: Cluster) -> None:
    """A path to nothing is one clear sentence."""
    with pytest.raises(FileNotFoundError, match=r'the path "nowhere.yaml" does not exist'):
        settled.fork().apply("nowhere.yaml")
    with pytest.raises(FileNotFoundError):
        settled.fork().apply(Path("nowhere.yaml"))


def test_unknown_kind(settled: Cluster) -> None:
    """A kind that is not served is named, with its version."""
    c = settled.fork()
    words = 'no matches for kind "Deploymnt" in version "apps/v1"'
    refused(c, {**POD, "kind": "Deploymnt", "apiVersion": "apps/v1"}, 404, "NotFound", words)
    with pytest.raises(ApiError, match="the server doesn't have a resource type"):
        c.get("podd", "p")


def test_unknown_field(settled: Cluster) -> None:
    """kubectl's way is strict: an unknown field is refused with its path."""
    spec = {"containers": [{"name": "c", "image": "nginx", "imagePullPolice": "Never"}]}
    refused(
        settled.fork(), {**POD, "spec": spec}, 400, "BadRequest",
        'strict decoding error: unknown field "spec.containers[0].imagePullPolice"',
    )  # fmt: skip


def test_unknown_field_is_warned_of_by_default(settled: Cluster) -> None:
    """A raw request says what is dropped in a warning, as a real server does."""
    c = settled.fork()
    body = {**POD, "spec": {**POD["spec"], "hostNetwrk": True}}  # type: ignore[dict-item]
    response = c.request("POST", "/api/v1/namespaces/default/pods", body)
    assert response.status == 201
    assert response.headers["Warning"] == '299 - "unknown field \\"spec.hostNetwrk\\""'


def test_wrong_type(settled: Cluster) -> None:
    """A text where a number belongs is told in Go's words, with the field."""
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"replicas": "three", "selector": {}, "template": {}},
    }  # fmt: skip
    refused(
        settled.fork(), deployment, 400, "BadRequest",
        "json: cannot unmarshal string into Go struct field "
        "DeploymentSpec.spec.replicas of type int32",
    )  # fmt: skip


def test_missing_and_long_names(settled: Cluster) -> None:
    """A missing name is required, a long one invalid; both causes name metadata.name."""
    c = settled.fork()
    missing = refused(
        c, {**POD, "metadata": {}}, 422, "Invalid", "name or generateName is required"
    )
    assert missing.status["details"]["causes"][0]["field"] == "metadata.name"
    long = {**POD, "metadata": {"name": "x" * 254}}
    error = refused(c, long, 422, "Invalid", "must be no more than 253")
    assert error.status["details"]["causes"][0]["field"] == "metadata.name"


def test_duplicate_create_and_stale_update(settled: Cluster) -> None:
    """A second create and an update of an old version are conflicts that change nothing."""
    c = settled.fork()
    pods = "/api/v1/namespaces/default/pods"
    created = c.request("POST", pods, POD)
    assert created.status == 201
    before = c.moment().get("Pod", "p")["metadata"]["uid"]
    again = c.request("POST", pods, POD)
    assert (again.status, again.reason) == (409, "AlreadyExists")
    assert again.message == 'pods "p" already exists'
    c.settle()
    stale = {**created.body, "metadata": {**created.body["metadata"], "labels": {"a": "b"}}}
    revision = c.moment().revision
    answer = c.request("PUT", f"{pods}/p", stale)
    assert (answer.status, answer.reason) == (409, "Conflict")
    assert "the object has been modified" in answer.message
    assert c.moment().revision == revision
    assert c.moment().get("Pod", "p")["metadata"]["uid"] == before


def test_delete_of_what_is_not_there(settled: Cluster) -> None:
    """Deleting nothing is NotFound."""
    with pytest.raises(ApiError) as caught:
        settled.fork().delete("deploy", "nope")
    assert caught.value.code == 404
    assert str(caught.value) == 'deployments.apps "nope" not found'


def test_what_is_not_modelled_is_said(settled: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """A wish that nothing here fulfils is stored, and named in a warning."""
    c = settled.fork()
    volume = {"name": "v", "nfs": {"server": "a", "path": "/"}}
    spec = {**POD["spec"], "volumes": [volume]}  # type: ignore[dict-item]
    c.apply({**POD, "spec": spec})
    assert "spec.volumes[0].nfs" in capsys.readouterr().err
    c.settle()
    assert c.get("Pod", "p")["status"]["phase"] == "Pending"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/nopes", None, 404),
        ("GET", "/apis/nope.example/v1/things", None, 404),
        ("GET", "/nope", None, 404),
        ("POST", "/api/v1/namespaces/nope/configmaps", {"metadata": {"name": "a"}}, 404),
        ("POST", "/api/v1/namespaces/default/configmaps", b"{broken", 400),
        ("POST", "/api/v1/namespaces/default/configmaps", b"[]", 400),
        ("POST", "/api/v1/namespaces/default/configmaps", b"", 400),
        ("POST", "/api/v1/namespaces/default/configmaps", b"\xff\xfe", 400),
        ("PUT", "/api/v1/namespaces/default/configmaps/a", {"metadata": {"name": "b"}}, 400),
        ("PUT", "/api/v1/namespaces/default/configmaps/a", {"metadata": {"name": "a"}}, 404),
        ("PATCH", "/api/v1/namespaces/default/configmaps/a", {"data": {}}, 415),
        ("POST", "/api/v1/pods", POD, 405),
        ("DELETE", "/api/v1/namespaces/default", None, 403),
        ("GET", "/api/v1/pods?labelSelector=a%20b%20c", None, 400),
        ("GET", "/api/v1/pods?fieldSelector=spec.nope=1", None, 400),
        ("GET", "/api/v1/pods?limit=x", None, 400),
        ("GET", "/api/v1/pods?continue=zzz", None, 400),
        ("GET", "/api/v1/pods?resourceVersion=99999", None, 504),
    ],
)
def test_bad_requests_are_answered(
    settled: Cluster, method: str, path: str, body: Any, status: int
) -> None:
    """Wrong paths, verbs, bodies and selectors get the code of a real server; nothing changes."""
    c = settled.fork()
    before = c.moment().revision
    response = c.request(method, path, body)
    assert response.status == status, response
    assert c.moment().revision == before
    assert [event.detail["panic"] for event in c.trace if "panic" in event.detail] == []
    assert c.request("GET", "/api/v1/namespaces").status == 200


def test_wrong_use_of_our_own_calls(settled: Cluster) -> None:
    """Our own API names what was given and what is allowed."""
    c = settled.fork()
    for call, words in (
        (lambda: Cluster(nodes=-1), "a count of nodes is not negative"),
        (lambda: Cluster(nodes="three"), "give a count or a list of Node manifests"),
        (lambda: Cluster(nodes=1, runtime="podman"), "podman"),
        (lambda: c.rewind(10**9), "there is no event"),
        (lambda: c.at(revision=10**9), "there is no revision"),
        (lambda: c.at(), "say either"),
        (lambda: c.run(-1), "does not run backwards"),
        (lambda: c.run_until("pod/web"), "is no condition"),
        (lambda: c.why("nonsense"), "names no object"),
        (lambda: c.faults.stop("nobody"), "there is no component 'nobody'"),
        (lambda: c.faults.stop_node("node-9"), "there is no node 'node-9'"),
        (lambda: c.connect("kube-system/x", "a", 99999), "ports are 1 to 65535"),
        (lambda: c.dns.resolve("a", "FOO"), "no DNS type"),
    ):
        with pytest.raises((ValueError, TypeError)) as caught:
            call()
        assert words in str(caught.value)
