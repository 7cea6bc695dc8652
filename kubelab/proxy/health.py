"""What kube-proxy answers over HTTP: its own health, its mode, and the health checks of Services.

A Service with `externalTrafficPolicy: Local` behind a load balancer has a port on every node where
the balancer asks whether an endpoint is there: 200 if so, 503 if not.

In Kubernetes: pkg/proxy/healthcheck (service_health.go, proxy_health.go) and cmd/kube-proxy's
metrics server. Left out: metrics.
"""

from __future__ import annotations

from kubelab.network.payloads import HttpResponse

HEALTHZ_PORT, METRICS_PORT = 10256, 10249
JSON = (("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff"))


def service_answer(key: str, count: int) -> HttpResponse:
    """The health of one Service on this node: how many endpoints it has here."""
    namespace, _, name = key.partition("/")
    service = f'"service": {{\n\t\t"namespace": "{namespace}",\n\t\t"name": "{name}"\n\t}}'
    healthy = f'"localEndpoints": {count},\n\t"serviceProxyHealthy": true'
    body = f"{{\n\t{service},\n\t{healthy}\n}}"
    headers = (*JSON, ("X-Load-Balancing-Endpoint-Weight", str(count)))
    return HttpResponse(200 if count else 503, body, headers)


def own_answer(port: int, path: str, mode: str, now: str) -> HttpResponse:
    """The proxy's own pages: `/healthz` and `/livez` on one port, `/proxyMode` on the other."""
    if port == HEALTHZ_PORT and path in ("/healthz", "/livez"):
        body = f'{{"lastUpdated": "{now}","currentTime": "{now}","nodeEligible": true}}'
        return HttpResponse(200, body, JSON)
    if port == METRICS_PORT and path == "/proxyMode":
        return HttpResponse(200, mode)
    if port == METRICS_PORT and path == "/healthz":
        return HttpResponse(200, "ok")
    return HttpResponse(404, "404 page not found\n")
