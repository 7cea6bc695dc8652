"""What CoreDNS answers over HTTP: is it alive, is it ready, its metrics.

The kubelet's probes ask these pages; a server that is alive but whose caches are not filled yet
names the plugin that it waits for.

In Kubernetes: CoreDNS' plugins health, ready and metrics. Left out: all metrics but one.
"""

from __future__ import annotations

from kubelab.network.payloads import HttpResponse

HEALTH_PORT = 8080
READY_PORT = 8181
METRICS_PORT = 9153
METRICS = """# HELP coredns_build_info A metric with a constant '1' value labeled by version.
# TYPE coredns_build_info gauge
coredns_build_info{version="1.14.2"} 1
"""


def page(port: int, path: str, ready: bool) -> HttpResponse:
    """The page of a port and path."""
    if port == HEALTH_PORT and path == "/health":
        return HttpResponse(200, "OK")
    if port == READY_PORT and path == "/ready":
        return HttpResponse(200, "OK") if ready else HttpResponse(503, "kubernetes")
    if port == METRICS_PORT and path == "/metrics":
        return HttpResponse(200, METRICS)
    return HttpResponse(404, "404 page not found\n")
