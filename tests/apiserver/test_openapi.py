"""The OpenAPI documents that clients read before they write."""

from __future__ import annotations

from kubelab.apiserver import openapi


def test_every_version_has_a_document_that_is_whole():
    """Each document of the index names every schema that it refers to."""
    index = openapi.answer("/openapi/v3").body["paths"]
    assert {"api/v1", "apis/apps/v1"} <= set(index)
    for path in index:
        body = openapi.answer(f"/openapi/v3/{path}").body
        assert set(openapi._references(body)) <= set(body["components"]["schemas"])


def test_a_patch_says_that_the_server_checks_fields():
    """kubectl trusts the server's validation where a patch takes `fieldValidation`."""
    body = openapi.answer("/openapi/v3/apis/apps/v1").body
    patch = body["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"]["kind"] == "Deployment"
    assert "fieldValidation" in [field["name"] for field in patch["parameters"]]
    assert openapi.answer("/openapi/v3/apis/nowhere/v1") is None
