"""The OpenAPI documents that clients read before they write, and how answers to them are spared."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import Obj
from kubelab.api.rest import Request, Response
from kubelab.apiserver import discovery, documents, health, openapi, openapi_wire

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def ask(path: str, **headers: str) -> Response:
    """The answer to a GET; `_` in a header's name stands for a dash."""
    path, _, text = path.partition("?")
    query = Obj(dict(part.partition("=")[::2] for part in text.split("&") if part))
    named = Obj({name.replace("_", "-"): value for name, value in headers.items()})
    answer = discovery.answer(Request("GET", path, query, named), "10.0.0.1")
    assert answer is not None
    return answer


def test_every_version_has_a_document_that_is_whole():
    """Each document of the index names every schema that it refers to."""
    index = ask("/openapi/v3").body["paths"]
    assert {"api/v1", "apis/apps/v1"} <= set(index)
    for path in index:
        body = ask(f"/openapi/v3/{path}").body
        assert set(openapi._references(body)) <= set(body["components"]["schemas"])


def test_a_patch_says_that_the_server_checks_fields():
    """kubectl trusts the server's validation where a patch takes `fieldValidation`."""
    body = ask("/openapi/v3/apis/apps/v1").body
    patch = body["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"]["kind"] == "Deployment"
    assert "fieldValidation" in [field["name"] for field in patch["parameters"]]
    assert ask("/openapi/v3/apis/nowhere/v1").status == 404


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/openapi/v2", "application/json"), ("/openapi/v2", V2_PROTOBUF), ("/openapi/v3", "*/*"),
        ("/openapi/v3/api/v1", "application/json"), ("/apis", AGGREGATED), ("/api", AGGREGATED),
    ],
)  # fmt: skip
def test_what_the_client_has_is_not_sent_again(path: str, accept: str):
    """A document has a tag; who shows it hears 304 and gets nothing, others get all."""
    first = ask(path, Accept=accept)
    tag = first.headers["ETag"]
    assert (first.status, tag[0], tag[-1], first.headers["Vary"]) == (200, '"', '"', "Accept")
    assert ask(path, Accept=accept, If_None_Match='"other"').status == 200
    again = ask(path, Accept=accept, If_None_Match=tag)
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)


def test_a_url_with_a_hash_may_be_kept_for_a_year():
    """With the right hash an answer is immutable; an old hash leads to the new one."""
    where = ask("/openapi/v3").body["paths"]["apis/apps/v1"]["serverRelativeURL"]
    kept = ask(where, Accept="application/json")
    assert kept.headers["Cache-Control"] == "public, immutable"
    assert kept.headers["Expires"] == "Fri, 01 Jan 1971 00:00:00 GMT"
    old = ask("/openapi/v3/apis/apps/v1?hash=00")
    assert (old.status, old.headers["Location"]) == (301, where)
    assert "Expires" not in ask("/openapi/v3/apis/apps/v1").headers


def test_the_second_version_has_everything_in_one_document():
    """As JSON: all definitions, references that lead to them, and plain parameters."""
    body = ask("/openapi/v2", Accept="application/json").body
    assert body["swagger"] == "2.0"
    assert set(openapi._references(body)) <= set(body["definitions"])
    pod = body["definitions"]["io.k8s.api.core.v1.Pod"]
    assert pod["properties"]["spec"]["$ref"] == "#/definitions/io.k8s.api.core.v1.PodSpec"
    assert pod["x-kubernetes-group-version-kind"][0]["kind"] == "Pod"
    patch = body["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert {row["type"] for row in patch["parameters"]} == {"string"}


def test_protobuf_is_answered_to_those_who_ask_for_it():
    """kubectl's media type gets protobuf, under the name that the real server gives it."""
    answer = ask("/openapi/v2", Accept=V2_PROTOBUF)
    assert answer.headers["Content-Type"] == openapi.PROTOBUF
    assert answer.body.startswith(b"\x0a\x032.0")
    assert ask("/openapi/v2", Accept="application/nothing").status == 406


def fields(data: bytes) -> list[tuple[int, Any]]:
    """A message taken apart: numbers and values."""
    found: list[tuple[int, Any]] = []
    at = 0
    while at < len(data):
        values = []
        for _ in range(2):
            number = shift = 0
            while True:
                byte = data[at]
                at += 1
                number |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            values.append(number)
        key, value = values
        if key & 7 == 2:
            found.append((key >> 3, data[at : at + value]))
            at += value
        else:
            found.append((key >> 3, value))
    return found


def test_a_schema_in_protobuf_can_be_read_again():
    """Every field stands under the number that the format gives it."""
    held = {
        "description": "About.", "type": "object", "required": ["a"],
        "properties": {"a": {"type": "array", "items": {"$ref": "#/definitions/x"}}},
        "additionalProperties": True, "x-kubernetes-y": ["z"],
    }  # fmt: skip
    found = dict(fields(openapi_wire.schema(held)))
    assert found[4] == b"About." and found[19] == b"a" and dict(fields(found[21])) == {2: 1}
    entry = dict(fields(dict(fields(found[25]))[1]))
    assert entry[1] == b"a"
    item = dict(fields(dict(fields(entry[2]))[23]))[1]
    assert dict(fields(item)) == {1: b"#/definitions/x"}
    extension = dict(fields(found[31]))
    assert (extension[1], dict(fields(extension[2]))[2]) == (b"x-kubernetes-y", b'["z"]\n')


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (AGGREGATED, "APIGroupDiscoveryList"),
        (f"application/vnd.kubernetes.protobuf,{AGGREGATED}", "APIGroupDiscoveryList"),
        (AGGREGATED.replace("v=v2", "v=v2beta1") + "," + AGGREGATED, "APIGroupDiscoveryList"),
        (AGGREGATED.replace("v=v2", "v=v2beta1") + ",application/json", "APIGroupList"),
        (f"application/json,{AGGREGATED}", "APIGroupList"),
        (f"application/json;q=0.5,{AGGREGATED}", "APIGroupDiscoveryList"),
        ("*/*", "APIGroupList"),
        ("", "APIGroupList"),
    ],
)
def test_the_form_of_discovery_is_the_first_that_can_be_served(accept: str, kind: str):
    """The aggregated form of v2; v2beta1 is no longer served in 1.36."""
    assert ask("/apis", Accept=accept).body["kind"] == kind


def test_weights_set_the_order_of_what_is_wanted():
    """`q` goes before the order of the words; what is no number counts as one."""
    request = Request("GET", "/", headers=Obj({"accept": "a/b;q=0.1, c/d;v=1;q=0.9, e/f;q=x"}))
    assert list(documents.media(request)) == [("e/f", {}), ("c/d", {"v": "1"}), ("a/b", {})]


def test_health_is_told_check_by_check():
    """`verbose` lists the checks of the path; one may be asked alone or be left out."""
    lines = ask("/livez?verbose").body.splitlines()
    assert lines[0] == "[+]ping ok" and lines[-1] == "livez check passed"
    assert ask("/readyz/ping").body == "ok" and ask("/readyz/nothing").status == 404
    told = ask("/livez?verbose&exclude=etcd,x").body
    assert "[+]etcd excluded: ok" in told
    assert 'warn: some health checks cannot be excluded: no matches for "x"' in told
    assert len(lines) == 1 + len([name for name in health.CHECKS if "livez" in health.CHECKS[name]])
