"""What the cluster's DNS answers: a pure function from a question and the API objects to records.

A name below `svc` is a service, an endpoint of it (by hostname, or by its address with dashes) or a
port of it; a name below `pod` spells an address. A service with an address answers with it, whether
or not a pod is ready; a headless one answers with its ready endpoints; an ExternalName one is an
alias. A name that does not exist is NXDOMAIN; one that exists without a record of the asked type is
NOERROR with no answer (NODATA); both carry the zone's SOA.

In Kubernetes: CoreDNS' plugin/kubernetes and plugin/backend_lookup.go, after the DNS-based service
discovery specification 1.1.0. Left out: multicluster zones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api.objects import Obj, get, key_of, name_of, namespace_of
from kubelab.dns.naming import (
    Caches,
    Found,
    NoSuchName,
    Options,
    Reply,
    address_of_reverse,
    by_service,
    dotted,
    fits,
    matching_zone,
    ready_endpoints,
)
from kubelab.network.addresses import is_address
from kubelab.network.payloads import Answer

SPECIFICATION = "1.1.0"
VERSION_TTL = 28800
# An alias is followed so often at most.
ALIASES = 8

# Looks an outside name up: (name, type) to the records that the outside world gives.
Upstream = Callable[[str, str], "tuple[Answer, ...] | None"]


def answer(
    caches: Caches, options: Options, name: str, type_: str, upstream: Upstream | None = None
) -> Reply:
    """The reply to a question; `name` is absolute, in any case of letters."""
    lowered = name.lower()
    zone = matching_zone(options, lowered)
    if not zone:
        return Reply("", passed_on=True)
    if type_ in ("AXFR", "IXFR"):
        return Reply("REFUSED")
    question = Question(caches, options, zone, upstream)
    owner = name[len(name) - len(zone) :]
    soa = (question.soa(owner),)
    try:
        reply = question.resolve(name, lowered, type_)
    except NoSuchName:
        if any(lowered.endswith(suffix) for suffix in options.fallthrough):
            return Reply("", passed_on=True)
        return Reply("NXDOMAIN", (), soa)
    return reply if reply.answers else Reply("NOERROR", (), soa, origin=reply.origin)


class Question:
    """One question's way through the caches."""

    def __init__(
        self, caches: Caches, options: Options, zone: str, upstream: Upstream | None
    ) -> None:
        self.caches = caches
        self.options = options
        self.zone = zone
        self.upstream = upstream

    def soa(self, owner: str) -> Answer:
        """The zone's SOA, which tells for how long a negative answer may be kept."""
        ttl = self.options.ttl
        data = f"ns.dns.{owner} hostmaster.{owner} {self.caches.serial} 7200 1800 86400 {ttl}"
        return Answer(owner, min(ttl, 300), "SOA", data)

    def resolve(self, name: str, lowered: str, type_: str) -> Reply:
        """The records of a name in one of our zones."""
        if type_ == "SOA" and lowered == self.zone:
            return Reply("NOERROR", (self.soa(name),))
        if type_ == "NS" and lowered == self.zone:
            return self._name_servers(name)
        if type_ == "TXT" and lowered == f"dns-version.{self.options.zone}":
            text = Answer(name, VERSION_TTL, "TXT", f'"{SPECIFICATION}"')
            return Reply("NOERROR", (text,), origin="specification")
        if type_ == "PTR":
            address = address_of_reverse(lowered)
            if address:
                return self._pointer(name, address)
        found = self.find(lowered)
        origin = found[0].origin if found else ""
        if type_ in ("A", "AAAA"):
            return Reply("NOERROR", self._addresses(name, lowered, type_, found), origin=origin)
        if type_ == "CNAME" and found and not is_address(found[0].host):
            alias = Answer(name, self.options.ttl, "CNAME", dotted(found[0].host))
            return Reply("NOERROR", (alias,), origin=origin)
        if type_ == "SRV":
            return self._ports(name, found)._replace(origin=origin)
        return Reply("NOERROR", origin=origin)

    # What a name means.

    def find(self, name: str) -> list[Found]:
        """All that a name (in lower case) means; empty where it exists but means no address."""
        if name == self.zone:
            return []
        if name == f"ns.dns.{self.zone}":
            return [found._replace(name=name) for found in self._own_services()]
        labels = name.removesuffix("." + self.zone).split(".")
        where = labels.pop()
        if where not in ("svc", "pod"):
            raise NoSuchName
        if not labels:
            return []
        namespace = labels.pop()
        if not self._shown(namespace):
            raise NoSuchName
        if not labels:
            if where == "pod" and self.options.pods == "disabled":
                raise NoSuchName
            return []
        subject = labels.pop()
        if len(labels) > 2:
            raise NoSuchName
        if where == "pod":
            return self._pod(namespace, subject, name)
        endpoint = labels[0] if len(labels) == 1 else ""
        port, protocol = (labels[0], labels[1]) if len(labels) == 2 else ("", "")
        return self._service(
            namespace, subject, endpoint, port.removeprefix("_"), protocol.removeprefix("_")
        )

    def _shown(self, namespace: str) -> bool:
        """Whether a namespace exists and the Corefile does not hide it."""
        shown = self.options.namespaces
        return self.caches.namespaces.get(namespace) is not None and (
            not shown or namespace in shown
        )

    def _pod(self, namespace: str, subject: str, name: str) -> list[Found]:
        """An address spelled with dashes. Pods' names are no names of DNS."""
        if self.options.pods == "disabled":
            raise NoSuchName
        four = subject.count("-") == 3 and "--" not in subject
        address = subject.replace("-", "." if four else ":")
        if not is_address(address):
            raise NoSuchName
        if self.options.pods == "verified" and self.caches.pods is not None:
            pods = self.caches.pods.indexed("address", address)
            if not any(namespace_of(pod) == namespace for pod in pods):
                raise NoSuchName
        return [Found(address, 0, name, "the name itself")]

    def _service(
        self, namespace: str, name: str, endpoint: str, port: str, protocol: str
    ) -> list[Found]:
        service = self.caches.services.get(f"{namespace}/{name}")
        if service is None:
            raise NoSuchName
        spec = service["spec"]
        key = key_of(service)
        full = f"{name}.{namespace}.svc.{self.zone}"
        if spec.get("type") == "ExternalName":
            if endpoint or is_address(spec.get("externalName", "")):
                raise NoSuchName
            return [Found(spec["externalName"], 0, full, f"service {key}")]
        headless = spec.get("clusterIP") == "None"
        if self.options.ignore_empty_service and not headless:
            # Without a ready endpoint a service is as good as none.
            if not any(map(ready_endpoints, self.caches.slices.indexed("service", key))):
                raise NoSuchName
        if headless or endpoint:
            found = self._endpoints(key, full, endpoint, port, protocol)
        else:
            addresses = spec.get("clusterIPs") or [spec.get("clusterIP", "")]
            found = [
                Found(address, entry["port"], full, f"service {key}")
                for entry in spec.get("ports") or ()
                if fits(port, entry.get("name"), protocol, entry.get("protocol"))
                for address in addresses
                if address
            ]
        if not found:
            raise NoSuchName
        return found

    def _endpoints(
        self, key: str, full: str, endpoint: str, port: str, protocol: str
    ) -> list[Found]:
        """The ready endpoints of a service, once for each port that fits."""
        out: list[Found] = []
        for slice_ in self.caches.slices.indexed("service", key) if self.options.endpoints else ():
            ports: Any = slice_.get("ports") or ({"name": "", "port": -1},)
            for entry in ready_endpoints(slice_):
                label = self.label(entry)
                if endpoint and endpoint != label:
                    continue
                for item in ports:
                    if fits(port, item.get("name"), protocol, item.get("protocol")):
                        number = item.get("port")
                        number = -1 if number is None else number
                        name = f"{label}.{full}"
                        address = entry["addresses"][0]
                        out.append(Found(address, number, name, f"endpoints of {key}"))
        return out

    def label(self, entry: Obj) -> str:
        """The name of an endpoint: its hostname, else its address with dashes."""
        if entry.get("hostname"):
            return str(entry["hostname"])
        if self.options.endpoint_pod_names and get(entry, "targetRef", "name"):
            return str(entry["targetRef"]["name"])
        return str(entry["addresses"][0]).replace(".", "-").replace(":", "-")

    # Records.

    def _addresses(
        self, name: str, lowered: str, type_: str, found: list[Found], depth: int = 0
    ) -> tuple[Answer, ...]:
        out: dict[Answer, None] = {}
        version = 4 if type_ == "A" else 6
        for item in found:
            if is_address(item.host):
                if (":" in item.host) == (version == 6):
                    out[Answer(name, self.options.ttl, type_, item.host)] = None
                continue
            target = dotted(item.host)
            if target.lower() == lowered or depth >= ALIASES:
                continue
            alias = Answer(name, self.options.ttl, "CNAME", target)
            if target.lower().endswith("." + self.zone):
                inside = target.lower()
                try:
                    meant = self.find(inside)
                except NoSuchName:
                    continue
                rest = self._addresses(target, inside, type_, meant, depth + 1)
                if not rest:
                    continue
            else:
                outside = self.upstream(target, type_) if self.upstream else None
                if outside is None:
                    continue
                rest = outside
            out[alias] = None
            out.update(dict.fromkeys(rest))
        return tuple(out)

    def _ports(self, name: str, found: list[Found]) -> Reply:
        """SRV: each port with the name that has it, and that name's address beside."""
        found = [item for item in found if is_address(item.host)]
        weight = max(1, 100 * 100 // (100 * len(found))) if found else 0
        ttl = self.options.ttl
        answers: dict[Answer, None] = {}
        additional: dict[Answer, None] = {}
        for item in found:
            if item.port < 1:
                continue
            data = f"0 {weight} {item.port} {item.name}"
            answers[Answer(name, ttl, "SRV", data)] = None
            type_ = "AAAA" if ":" in item.host else "A"
            additional[Answer(item.name, ttl, type_, item.host)] = None
        return Reply("NOERROR", tuple(answers), (), tuple(additional))

    def _pointer(self, name: str, address: str) -> Reply:
        """The names of an address: the service that has it, else each endpoint that does."""
        ttl = self.options.ttl
        services = self.caches.services
        for service in (
            *services.indexed("clusterIP", address),
            *services.indexed("secondIP", address),
        ):
            host = f"{name_of(service)}.{namespace_of(service)}.svc.{self.options.zone}"
            return Reply(
                "NOERROR", (Answer(name, ttl, "PTR", host),), origin=f"service {key_of(service)}"
            )
        out: dict[Answer, None] = {}
        origin = ""
        for slice_ in self.caches.slices.indexed("address", address):
            namespace, _, service_name = by_service(slice_).partition("/")
            for entry in ready_endpoints(slice_):
                if entry["addresses"][0] == address:
                    tail = f"{service_name}.{namespace}.svc.{self.options.zone}"
                    out[Answer(name, ttl, "PTR", f"{self.label(entry)}.{tail}")] = None
                    origin = f"endpoints of {namespace}/{service_name}"
        if not out:
            raise NoSuchName
        return Reply("NOERROR", tuple(out), origin=origin)

    def _own_services(self) -> list[Found]:
        """The services behind which this server stands; the server itself if there are none."""
        own = self.caches.own_address
        out: dict[Found, None] = {}
        for slice_ in self.caches.slices.indexed("address", own):
            key = by_service(slice_)
            service = self.caches.services.get(key)
            if service is None:
                continue
            full = f"{name_of(service)}.{namespace_of(service)}.svc.{self.options.zone}"
            for address in get(service, "spec", "clusterIPs", default=()) or (
                get(service, "spec", "clusterIP", default=""),
            ):
                if is_address(address):
                    out[Found(address, 0, full, f"service {key}")] = None
        return list(out) or [Found(own, 0, f"ns.dns.{self.options.zone}", "this server")]

    def _name_servers(self, name: str) -> Reply:
        ttl = self.options.ttl
        found = self._own_services()
        answers = tuple(dict.fromkeys(Answer(name, ttl, "NS", item.name) for item in found))
        additional = tuple(
            Answer(item.name, ttl, "AAAA" if ":" in item.host else "A", item.host) for item in found
        )
        return Reply("NOERROR", answers, (), additional, origin=found[0].origin)
