"""CustomResourceDefinitions: accepted, served at once, changed, and cleared away."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import freeze, get
from kubelab.apiserver import customresources, defining, structural
from tests.apiserver.replay import Server

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SIZE = {"type": "object", "properties": {"size": {"type": "integer", "default": 3}}}


def crd(plural: str = "widgets", **version: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": SIZE, "status": {"type": "object"}}}
    v1 = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "kind": plural[:-1].capitalize(), "shortNames": [plural[:2]]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.lab.example"},
        "spec": {
            "group": "lab.example", "scope": "Namespaced", "names": names,
            "versions": [{**v1, **version}],
        },
    }  # fmt: skip


@pytest.fixture
def server() -> Server:
    return Server()


def send(server: Server, method: str, path: str, body: Any = None, **headers: str) -> Any:
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    request = {"method": method, "path": path, "body": body, "headers": given}
    answer = server.send(request)
    server.history.settle(20)
    return answer


def test_a_definition_is_served_as_soon_as_it_is_established(server: Server) -> None:
    """Both forms of discovery, the OpenAPI document and the resource follow the condition."""
    assert send(server, "POST", CRDS, crd()).status == 201
    made = send(server, "GET", f"{CRDS}/widgets.lab.example").body
    assert [c["type"] for c in made["status"]["conditions"]] == ["NamesAccepted", "Established"]
    rows = send(server, "GET", "/apis/lab.example/v1").body["resources"]
    assert rows[0]["name"] == "widgets" and rows[0]["shortNames"] == ["wi"]
    assert "lab.example" in [g["name"] for g in send(server, "GET", "/apis").body["groups"]]
    document = send(server, "GET", "/openapi/v3/apis/lab.example/v1").body
    assert "example.lab.v1.Widget" in document["components"]["schemas"]
    assert send(server, "GET", "/apis/lab.example/v1/widgets").body["kind"] == "WidgetList"


def test_names_that_another_has_are_not_accepted(server: Server) -> None:
    """Of two definitions with one short name the second waits, and says why."""
    send(server, "POST", CRDS, crd("widgets"))
    send(server, "POST", CRDS, crd("wizards"))
    late = send(server, "GET", f"{CRDS}/wizards.lab.example").body
    accepted = customresources.condition(late, "NamesAccepted")
    assert accepted["reason"] == "ShortNamesConflict"
    assert accepted["message"] == '"wi" is already in use'
    assert customresources.condition(late, "Established")["reason"] == "NotAccepted"
    assert send(server, "GET", "/apis/lab.example/v1/wizards").status == 404
    send(server, "DELETE", f"{CRDS}/widgets.lab.example")
    late = send(server, "GET", f"{CRDS}/wizards.lab.example").body
    assert customresources.is_true(late, "Established")


def test_objects_go_before_their_definition(server: Server) -> None:
    """A deleted definition stays until its last object is gone, finalizers and all."""
    send(server, "POST", CRDS, crd())
    path = "/apis/lab.example/v1/namespaces/default/widgets"
    send(server, "POST", path, {"metadata": {"name": "a", "finalizers": ["lab.example/hold"]}})
    send(server, "POST", path, {"metadata": {"name": "b"}})
    answer = send(server, "DELETE", f"{CRDS}/widgets.lab.example").body
    assert answer["metadata"]["finalizers"] == [defining.FINALIZER]
    left = send(server, "GET", path).body["items"]
    assert [get(item, "metadata", "name") for item in left] == ["a"]
    refused = send(server, "POST", path, {"metadata": {"name": "c"}})
    assert (refused.status, refused.reason) == (405, "MethodNotAllowed")
    send(server, "PATCH", f"{path}/a", {"metadata": {"finalizers": None}},
         Content_Type="application/merge-patch+json")  # fmt: skip
    assert send(server, "GET", f"{CRDS}/widgets.lab.example").status == 404
    assert send(server, "GET", path).status == 404


def test_objects_are_stored_in_one_version_and_served_in_all(server: Server) -> None:
    """Conversion None changes only the apiVersion; the best version comes first."""
    body = crd()
    v1 = body["spec"]["versions"][0]
    body["spec"]["versions"] = [
        {**v1, "name": "v1beta1", "storage": False}, v1, {**v1, "name": "v2", "storage": False},
    ]  # fmt: skip
    send(server, "POST", CRDS, body)
    group = send(server, "GET", "/apis/lab.example").body
    assert [v["version"] for v in group["versions"]] == ["v2", "v1", "v1beta1"]
    one = "/apis/lab.example/v1beta1/namespaces/default/widgets"
    assert send(server, "POST", one, {"metadata": {"name": "w"}}).body["apiVersion"].endswith("a1")
    other = send(server, "GET", "/apis/lab.example/v2/namespaces/default/widgets/w").body
    assert other["apiVersion"] == "lab.example/v2"
    stored = server.history.world.components["apiserver-1"].caches["/registry/lab.example/widgets/"]
    assert stored.objects["default/w"]["apiVersion"] == "lab.example/v1"


def test_status_and_scale_have_doors_of_their_own(server: Server) -> None:
    """With a status subresource the main door leaves status alone; scale follows its paths."""
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
    free = {"type": "object", structural.PRESERVE: True}
    schema = {"type": "object", "properties": {"spec": SIZE, "status": free}}
    send(server, "POST", CRDS, crd(
        subresources={"status": {}, "scale": scale}, schema={"openAPIV3Schema": schema}
    ))  # fmt: skip
    path = "/apis/lab.example/v1/namespaces/default/widgets"
    made = send(server, "POST", path, {"metadata": {"name": "w"}, "spec": {}, "status": {"a": 1}})
    assert "status" not in made.body and made.body["spec"] == {"size": 3}
    merge = {"Content_Type": "application/merge-patch+json"}
    status = send(server, "PATCH", f"{path}/w/status", {"status": {"size": 1}}, **merge).body
    assert status["metadata"]["generation"] == 1 and status["status"] == {"size": 1}
    assert send(server, "GET", f"{path}/w/scale").body["status"] == {"replicas": 1}
    send(server, "PATCH", f"{path}/w/scale", {"spec": {"replicas": 5}}, **merge)
    now = send(server, "GET", f"{path}/w").body
    assert now["spec"]["size"] == 5 and now["metadata"]["generation"] == 2


def test_a_default_added_later_shows_in_stored_objects(server: Server) -> None:
    """Defaults of the schema are filled in when an object is read, too."""
    send(server, "POST", CRDS, crd())
    path = "/apis/lab.example/v1/namespaces/default/widgets"
    send(server, "POST", path, {"metadata": {"name": "w"}, "spec": {}})
    colour = {"type": "string", "default": "red"}
    place = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/colour"
    send(server, "PATCH", f"{CRDS}/widgets.lab.example",
         [{"op": "add", "path": place, "value": colour}],
         Content_Type="application/json-patch+json")  # fmt: skip
    assert send(server, "GET", f"{path}/w").body["spec"] == {"size": 3, "colour": "red"}
    assert send(server, "GET", path).body["items"][0]["spec"]["colour"] == "red"


def test_unknown_fields_are_pruned_unless_preserved() -> None:
    """Paths of pruned fields are told in document order; kept parts are the very same object."""
    schema = freeze({
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": {}}}},
            "free": {"type": "object", structural.PRESERVE: True},
            "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    })  # fmt: skip
    obj = freeze({"list": [{"a": 1, "b": 2}], "free": {"x": {"y": 1}}, "map": {"k": 1}, "z": 0})
    clean, unknown = structural.pruned(schema, obj)
    assert unknown == ["list[0].b", "z"]
    assert clean == {"list": [{"a": 1}], "free": {"x": {"y": 1}}, "map": {"k": 1}}
    assert structural.pruned(schema, clean)[0] is clean
