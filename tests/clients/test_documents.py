"""What clients keep: documents over HTTP, and what is said where nothing new is to be sent."""

from __future__ import annotations

import http.client

import pytest

from kubelab import Cluster

pytestmark = pytest.mark.native

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_nothing_is_said_of_a_body_that_is_not_sent():
    """kubectl's cache takes the headers of a 304 for those of what it has kept."""
    cluster = Cluster(nodes=1, dns=False)
    with cluster.serve(http=True, speed=0) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)

        def get(**more: str) -> http.client.HTTPResponse:
            headers = {"Accept": AGGREGATED, **{k.replace("_", "-"): v for k, v in more.items()}}
            connection.request("GET", "/apis", headers=headers)
            return connection.getresponse()

        first = get()
        body, tag = first.read(), first.getheader("ETag")
        assert first.status == 200 and body and tag
        kept = get(If_None_Match=tag)
        assert (kept.status, kept.read(), kept.getheader("ETag")) == (304, b"", tag)
        assert kept.getheader("Content-Type") is None
        assert kept.getheader("Cache-Control") == "public"
        assert get().read() == body
        connection.close()
