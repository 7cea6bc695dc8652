"""Requests made up from the server's own OpenAPI document: whatever comes, the server serves on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubelab.api import kinds
from kubelab.api.objects import EMPTY, Obj, freeze, with_
from kubelab.api.rest import Request
from kubelab.apiserver import openapi
from kubelab.user import You
from tests.apiserver.replay import Server, load

PATHS = sorted(
    path
    for version in ("api/v1", "apis/apps/v1", "apis/batch/v1", "apis/networking.k8s.io/v1",
                    "apis/apiextensions.k8s.io/v1", "apis/autoscaling/v2")
    for path in openapi.answer(
        Request("GET", f"/openapi/v3/{version}")
    ).body["paths"]  # type: ignore[union-attr]
)  # fmt: skip
MEDIA = (
    "application/json", "application/yaml", "application/json-patch+json", "text/html", "",
    "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml", "application/vnd.kubernetes.protobuf",
)  # fmt: skip
WORDS = ("a", "default", "x\u202e\x1b[31m", "<script>", "..", "A_b", "", "a" * 300, "%00", "*")
QUERY = ("limit", "continue", "labelSelector", "fieldSelector", "resourceVersion", "fieldManager",
         "resourceVersionMatch", "dryRun", "fieldValidation", "force", "propagationPolicy",
         "gracePeriodSeconds", "sendInitialEvents")  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(("", "0", "1", "-1", "x", "true", "All", "Exact", "a=b", "a in (b", "!", "=")),
    st.text(max_size=8),
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 70000), st.floats(allow_nan=False), VALUES,
    st.sampled_from(("2026-01-01T00:00:00Z", "100m", "nginx", "TCP", "80")),
)  # fmt: skip
FIELDS = st.sampled_from((
    "metadata", "name", "namespace", "labels", "annotations", "finalizers", "ownerReferences",
    "spec", "status", "template", "selector", "matchLabels", "containers", "image", "ports",
    "containerPort", "replicas", "data", "kind", "apiVersion", "op", "path", "value", "rules",
    "versions", "schema", "openAPIV3Schema", "names", "plural", "group", "type", "$patch",
    "$setElementOrder/containers", "resources", "requests", "cpu", "env", "volumes", "schedule",
    "minReplicas", "maxReplicas", "metrics", "managedFields", "deletionTimestamp", "items",
))  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(FIELDS, inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    TREES,
    st.builds(lambda spec, meta: {"metadata": {"name": "a", **meta}, "spec": spec},
              st.dictionaries(FIELDS, TREES, max_size=4),
              st.dictionaries(FIELDS, LEAVES, max_size=2)),
    st.text(max_size=20).map(lambda text: text.encode()), st.none(),
    st.sampled_from((b"{", b"[" * 5000, b'{"a":1,"a":2}', b"&a [*a]", b"a: &x [*x, *x]")),
)  # fmt: skip

GOOD = [
    entry["request"]
    for entry in load("defaults.json")
    if entry["request"]["method"] == "POST" and isinstance(entry["request"].get("body"), dict)
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all parts of a value."""
    found = [path] if path else []
    if isinstance(value, dict):
        found += [place for key, item in value.items() for place in places(item, (*path, key))]
    elif isinstance(value, list):
        found += [place for at, item in enumerate(value) for place in places(item, (*path, at))]
    return found


@st.composite
def spoilt(draw: Any) -> tuple[str, Any]:
    """A good object of some kind with one or two of its parts replaced by something else."""
    request = draw(st.sampled_from(GOOD))
    body = freeze(request["body"])
    for _ in range(draw(st.integers(1, 2))):
        body = with_(body, draw(st.sampled_from(places(body))), draw(TREES))
        if not places(body):
            break
    return request["path"].partition("?")[0].replace("gold-defaults", "default"), body


@pytest.fixture(scope="module")
def server() -> Server:
    return Server()


def ask(server: Server, request: Request) -> None:
    """Sends a request; its answer must be a success or a Status that says why not."""
    server.token += 1
    before = len(server.history.world.trace)
    server.history.inject("you", "ask", server.token, request, False)
    you = server.history.world.components["you"]
    assert isinstance(you, You)
    while server.token not in you.answers:
        assert server.history.step() is not None, "no answer"
    answer = you.answers.pop(server.token)
    broken = [e.detail["panic"] for e in server.history.world.trace[before:] if "panic" in e.detail]
    assert not broken, broken
    if answer.status >= 400 and isinstance(answer.body, dict):
        assert answer.body["kind"] == "Status" and answer.body["code"] == answer.status
        assert answer.message
    json.dumps(answer.body)


BOUNDS = settings(
    max_examples=300,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(
    method=st.sampled_from(("GET", "POST", "PUT", "PATCH", "DELETE")),
    path=st.sampled_from(PATHS), name=st.sampled_from(WORDS), namespace=st.sampled_from(WORDS),
    query=st.dictionaries(st.sampled_from(QUERY), VALUES, max_size=2),
    media=st.sampled_from(MEDIA), body=BODIES,
)  # fmt: skip
@BOUNDS
def test_whatever_is_asked_gets_an_answer_in_kubernetes_words(
    server: Server, method: str, path: str, name: str, namespace: str, query: dict[str, str],
    media: str, body: Any,
) -> None:  # fmt: skip
    """An answer is a success or a Status with a code, a message and a reason; nothing breaks."""
    path = path.replace("{name}", name).replace("{namespace}", namespace or "default")
    if isinstance(body, (dict, list)):
        body = freeze(body)
    elif body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = Obj({"Content-Type": media, "Accept": "application/json", "User-Agent": "fuzz/1"})
    ask(server, Request(method, path, Obj(query), headers, body))


@given(asked=spoilt(), method=st.sampled_from(("POST", "PUT", "PATCH")))
@BOUNDS
def test_a_spoilt_object_is_refused_in_words(
    server: Server, asked: tuple[str, Any], method: str
) -> None:
    """Wrong values anywhere in an object are told, and nothing breaks."""
    path, body = asked
    media = "application/json" if method != "PATCH" else "application/merge-patch+json"
    headers = Obj({"Content-Type": media, "User-Agent": "fuzz/1"})
    if method != "POST":
        name = body.get("metadata") if isinstance(body, dict) else None
        name = name.get("name") if isinstance(name, dict) else None
        path += f"/{name if isinstance(name, str) else 'a'}"
    ask(server, Request(method, path, EMPTY, headers, body))


def test_the_server_serves_on(server: Server) -> None:
    """After all that, an ordinary request has an ordinary answer."""
    pods = kinds.named("v1/Pod").path + "/namespaces/default/pods"
    assert server.send({"method": "GET", "path": pods}).status == 200
