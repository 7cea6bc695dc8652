"""How fast names are resolved and connections made, and how long new rules take."""

from __future__ import annotations

import hashlib

from kubelab.api.objects import freeze
from kubelab.network.payloads import HttpRequest
from kubelab.sim.kernel import SECOND
from tests.bench.harness import Result, sizes, stopwatch, trace_digest
from tests.network.lab import Lab, endpoint, service, slices, with_dns

ENDPOINTS = 10
CHANGES = 20
CONF = freeze({
    "nameservers": ["10.96.0.10"], "options": ["ndots:5"],
    "searches": ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
})  # fmt: skip


def _lab() -> tuple[Lab, str]:
    """Two nodes, DNS, the service web with a pod on the other node; and a client's address."""
    lab = Lab(2)
    with_dns(lab)
    web = lab.pod("web-0", 2, 80)
    lab.server.put(service("web", "10.97.3.4", 80))
    lab.server.put(slices("web", [endpoint(web, 2)], 80))
    client = lab.pod("client")
    lab.settle()
    return lab, client


@sizes("names", small=5, usual=(1_000,), full=(10_000,), marks={1_000: 5.0, 10_000: 50.0})
def bench_resolutions(names: int) -> Result:
    """A pod resolves a service's short name, through the rules and a CoreDNS pod."""
    lab, client = _lab()
    with stopwatch() as watch:
        for _ in range(names):
            assert lab.lookup(client, CONF, "web").rcode == "NOERROR"
    return Result(names, "names", watch.seconds, trace_digest(lab.world.trace))


@sizes("calls", small=5, usual=(1_000,), full=(10_000,), marks={1_000: 2.0, 10_000: 20.0})
def bench_connections(calls: int) -> Result:
    """A pod asks for a page at a service's address, and a pod of another node answers."""
    lab, client = _lab()
    with stopwatch() as watch:
        for _ in range(calls):
            assert lab.open(client, "10.97.3.4", 80, HttpRequest()).ok
    return Result(calls, "calls", watch.seconds, trace_digest(lab.world.trace))


@sizes("services", small=5, usual=(100, 1_000), full=(5_000,), marks={100: 0.1, 1_000: 0.1})
def bench_rules_of_one_change(services: int) -> Result:
    """Of many services with ten endpoints each, one loses and wins an endpoint: what it costs.

    It must not grow with the number of services.
    """
    lab = Lab(1)
    ends = [endpoint(f"10.244.9.{number + 2}") for number in range(ENDPOINTS)]
    for number in range(services):
        address = f"10.98.{number // 250}.{number % 250 + 1}"
        lab.server.put(service(f"s{number}", address, 80))
        lab.server.put(slices(f"s{number}", ends, 80))
    lab.settle()
    with stopwatch() as watch:
        for number in range(CHANGES):
            lab.server.put(slices("s0", ends[number % 2 :], 80))
            lab.settle()
            lab.world.now += 2 * SECOND
    text = lab.kernels[1].tables.save("nat")
    return Result(CHANGES, "changes", watch.seconds, hashlib.sha256(text.encode()).hexdigest())
