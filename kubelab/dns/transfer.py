"""All records of the cluster's zone at once, for those whom the Corefile lets have them (AXFR).

The zone begins and ends with its SOA. A service with an address has its addresses and a port
record for each port, twice if the port has a name; a headless one has its ready endpoints.

In Kubernetes: CoreDNS' plugin/transfer and plugin/kubernetes/xfr.go. Left out: several messages,
incremental transfers, notifying others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubelab.api.objects import Obj, get, key_of, name_of, namespace_of
from kubelab.dns.naming import Caches, Options, Reply, dotted, ready_endpoints
from kubelab.dns.records import Question
from kubelab.network.addresses import is_address
from kubelab.network.payloads import Answer


def zone(caches: Caches, options: Options, services: Iterable[Obj]) -> Reply:
    """The rows of the whole zone."""
    question = Question(caches, options, options.zone, None)
    soa = question.soa(options.zone)
    servers = question.resolve(options.zone, options.zone, "NS")
    rows = [soa]
    for row in servers.answers:
        rows += [row, *(extra for extra in servers.additional if extra.name == row.data)]
    shown = [
        service
        for service in sorted(services, key=key_of)
        if not options.namespaces or namespace_of(service) in options.namespaces
    ]
    for service in shown:
        rows += _service(question, service)
    return Reply("NOERROR", (*rows, soa), origin="the whole zone")


def _service(question: Question, service: Obj) -> Iterator[Answer]:
    options = question.options
    ttl, spec = options.ttl, service["spec"]
    full = f"{name_of(service)}.{namespace_of(service)}.svc.{options.zone}"
    if spec.get("type") == "ExternalName":
        if not is_address(spec.get("externalName", "")):
            yield Answer(full, ttl, "CNAME", dotted(spec["externalName"]))
        return
    if spec.get("clusterIP") != "None":
        for address in spec.get("clusterIPs") or (spec.get("clusterIP", ""),):
            if address:
                yield _address(full, ttl, address)
        for port in spec.get("ports") or ():
            data = f"0 100 {port['port']} {full}"
            yield Answer(full, ttl, "SRV", data)
            if port.get("name"):
                yield Answer(_port(port, full), ttl, "SRV", data)
        return
    for slice_ in question.caches.slices.indexed("service", key_of(service)):
        ready = ready_endpoints(slice_)
        weight = max(1, 100 // len(ready)) if ready else 100
        for entry in ready:
            address = entry["addresses"][0]
            own = f"{question.label(entry)}.{full}"
            yield _address(full, ttl, address)
            yield _address(own, ttl, address)
            for port in get(slice_, "ports", default=()) or ():
                if port.get("name"):
                    data = f"0 {weight} {port.get('port', 0)} {own}"
                    yield Answer(_port(port, full), ttl, "SRV", data)


def _address(name: str, ttl: int, address: str) -> Answer:
    return Answer(name, ttl, "AAAA" if ":" in address else "A", address)


def _port(port: Obj, full: str) -> str:
    return f"_{port['name'].lower()}._{port.get('protocol', 'TCP').lower()}.{full}"
