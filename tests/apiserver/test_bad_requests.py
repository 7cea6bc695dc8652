"""Bodies, headers and parameters that are wrong: told in words, nothing is changed."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster

PODS, MAPS = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/configmaps"
JSON, YAML = {"Content-Type": "application/json"}, {"Content-Type": "application/yaml"}
HUGE = b'{"metadata":{"name":"x"},"data":{"a":"' + b"x" * (3 << 20) + b'"}}'
DEEP = b'{"a":' * 10001 + b"1" + b"}" * 10001
BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12)
)


@pytest.fixture(scope="module")
def c() -> Cluster:
    """A control plane that stands still."""
    cluster = Cluster(nodes=0, dns=False)
    cluster.settle()
    return cluster


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "code", "words"),
    [
        ("POST", MAPS, HUGE, JSON, 413, "Request entity too large: limit is 3145728"),
        # Pyodide has no stack for it: it ends instead of saying so.
        pytest.param(
            "POST", MAPS, DEEP, JSON, 400, "exceeded max depth", marks=pytest.mark.native
        ),
        ("POST", MAPS, BOMB.encode(), YAML, 400, "the object provided is unrecognized (must be of "
         "type ConfigMap): yaml: document contains excessive aliasing (613a202661205b782c20785d0a"),
        ("POST", MAPS, b"a: &a [*a]", YAML, 400, "yaml: anchor contains itself"),
        ("POST", MAPS, b"a: b: c", YAML, 400, "the object provided is unrecognized (must be of "
         "type ConfigMap): yaml: line 1: mapping values are not allowed in this context (613a20"),
        ("PATCH", f"{MAPS}/x?fieldManager=m", b"a: b: c",
         {"Content-Type": "application/apply-patch+yaml"}, 400, "error decoding YAML: error "
         "converting YAML to JSON: yaml: line 1: mapping values are not allowed in this context"),
        ("POST", PODS, b"not json", JSON, 400, "the object provided is unrecognized (must be of "
         "type Pod): couldn't get version/kind; json parse error: invalid character 'n' looking "
         "for beginning of value (6e6f74206a736f6e)"),
        ("POST", PODS, b"<x/>", {"Content-Type": "text/xml"}, 415, "the body of the request was "
         "in an unknown format - accepted media types include: application/json, "
         "application/yaml, application/vnd.kubernetes.protobuf"),
        ("GET", PODS, None, {"Authorization": "Bearer nope"}, 401, "Unauthorized"),
        ("GET", f"{PODS}?labelSelector=a in (b", None, {}, 400,
         "unable to parse requirement: found '', expected: ',', or ')'"),
        ("GET", f"{PODS}?continue=abc", None, {}, 400, "invalid continue token: continue key is "
         "not valid: invalid character 'i' looking for beginning of value"),
        ("FOO", PODS, None, {}, 405,
         "the server does not allow this method on the requested resource"),
        ("POST", MAPS, {"metadata": {"name": "<b>\x1b[31m"}}, {}, 422,
         'metadata.name: Invalid value: "<b>\\u001b[31m": a lowercase RFC 1123 subdomain must'),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, (str, bytes)) else None,
)  # fmt: skip
def test_what_is_wrong_is_told(
    c: Cluster, method: str, path: str, body: Any, headers: dict[str, str], code: int, words: str
) -> None:
    """Each has its code and words, and the store stays as it was."""
    before = c.request("GET", MAPS).body["metadata"]["resourceVersion"]
    answer = c.request(method, path, body, headers)
    assert answer.status == code
    assert words in answer.message
    after = c.request("GET", MAPS)
    assert (after.status, after.body["metadata"]["resourceVersion"]) == (200, before)
