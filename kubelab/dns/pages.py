"""What CoreDNS answers over HTTP: is it alive, is it ready, its metrics.

The kubelet's probes ask these pages; a server that is alive but whose caches are not filled yet
names the plugin that it waits for.

In Kubernetes: CoreDNS' plugins health, ready and metrics. Left out: most metrics.
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


Counts = dict[tuple[str, str], int]


def metrics(counts: Counts, cached: int) -> str:
    """The page of metrics: questions by type, answers by rcode, what is remembered."""
    types: dict[str, int] = {}
    rcodes: dict[str, int] = {}
    for (type_, rcode), count in counts.items():
        types[type_] = types.get(type_, 0) + count
        rcodes[rcode] = rcodes.get(rcode, 0) + count
    at = 'server="dns://:53",view="",zone="."'
    lines = [
        "# HELP coredns_cache_entries The number of elements in the cache.",
        "# TYPE coredns_cache_entries gauge",
        f'coredns_cache_entries{{server="dns://:53",type="success",view="",zones="."}} {cached}',
        "# HELP coredns_dns_requests_total Counter of DNS requests made per zone, protocol and "
        "family.",
        "# TYPE coredns_dns_requests_total counter",
        *(f'coredns_dns_requests_total{{family="1",proto="udp",type="{name}",{at}}} {count}'
          for name, count in sorted(types.items())),
        "# HELP coredns_dns_responses_total Counter of response status codes.",
        "# TYPE coredns_dns_responses_total counter",
        *(f'coredns_dns_responses_total{{plugin="",rcode="{name}",{at}}} {count}'
          for name, count in sorted(rcodes.items())),
    ]  # fmt: skip
    return METRICS + "".join(f"{line}\n" for line in lines)


def page(
    port: int, path: str, ready: bool, counts: Counts | None = None, cached: int = 0
) -> HttpResponse:
    """The page of a port and path."""
    if port == HEALTH_PORT and path == "/health":
        return HttpResponse(200, "OK")
    if port == READY_PORT and path == "/ready":
        return HttpResponse(200, "OK") if ready else HttpResponse(503, "kubernetes")
    if port == METRICS_PORT and path == "/metrics":
        return HttpResponse(200, metrics(counts or {}, cached))
    return HttpResponse(404, "404 page not found\n")
