"""The plain parts that answers of the cluster's DNS are made of, and how its names are read.

Options of the server, what it may look into, a reply; and small pure functions over names, ports
and reverse names. `records.py` puts them together.

In Kubernetes: CoreDNS' plugin/kubernetes (parse.go, setup.go, object/) and plugin/pkg/dnsutil.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple, Protocol

from kubelab.api.objects import Obj, get, labels_of, namespace_of
from kubelab.network.addresses import is_address
from kubelab.network.payloads import Answer

REVERSE = ("in-addr.arpa.", "ip6.arpa.")
SERVICE_NAME = "kubernetes.io/service-name"


class Lister(Protocol):
    """What is asked of an informer."""

    def get(self, key: str) -> Obj | None: ...

    def indexed(self, name: str, value: str) -> list[Obj]: ...


class Options(NamedTuple):
    """The settings of the `kubernetes` block of a Corefile."""

    zone: str = "cluster.local."
    reverse: tuple[str, ...] = REVERSE
    ttl: int = 30
    pods: str = "insecure"
    endpoint_pod_names: bool = False
    fallthrough: tuple[str, ...] = REVERSE
    # The namespaces that are shown; empty for all of them.
    namespaces: tuple[str, ...] = ()
    ignore_empty_service: bool = False
    endpoints: bool = True


class Caches(NamedTuple):
    """The objects that answers are made from, and the server's own address."""

    services: Lister
    slices: Lister
    namespaces: Lister
    pods: Lister | None = None
    own_address: str = ""
    serial: int = 0


class Reply(NamedTuple):
    """An answer; `passed_on` means that the question is not ours: the next plugin may know."""

    rcode: str
    answers: tuple[Answer, ...] = ()
    authority: tuple[Answer, ...] = ()
    additional: tuple[Answer, ...] = ()
    passed_on: bool = False
    # What the answer was made from: `service default/web`, `endpoints of default/web`.
    origin: str = ""


class Found(NamedTuple):
    """One thing that a name means: an address or an alias, a port, and its own full name."""

    host: str
    port: int
    name: str
    origin: str


class NoSuchName(Exception):
    """The name does not exist."""


def by_service(slice_: Obj) -> str:
    """Index of slices: the service that they belong to."""
    name = labels_of(slice_).get(SERVICE_NAME, "")
    return f"{namespace_of(slice_)}/{name}" if name else ""


def by_cluster_ip(service: Obj) -> str:
    """Index of services: the address."""
    address = str(get(service, "spec", "clusterIP", default=""))
    return address if is_address(address) else ""


def by_second_ip(service: Obj) -> str:
    """Index of services: the address of the second family."""
    address = str(get(service, "spec", "clusterIPs", 1, default=""))
    return address if is_address(address) else ""


def matching_zone(options: Options, name: str) -> str:
    """The zone of ours that a name lies in; the empty string if none."""
    for zone in (options.zone, *options.reverse):
        if name == zone or name.endswith("." + zone):
            return zone
    return ""


def ready_endpoints(slice_: Obj) -> list[Obj]:
    """The endpoints of a slice that DNS names: the ready ones."""
    return [
        entry
        for entry in slice_.get("endpoints") or ()
        if get(entry, "conditions", "ready", default=True)
    ]


def by_endpoint_addresses(slice_: Obj) -> tuple[str, ...]:
    """The first addresses of all endpoints of a slice."""
    return tuple(entry["addresses"][0] for entry in slice_.get("endpoints") or ())


def fits(port: str, port_name: str | None, protocol: str, port_protocol: str | None) -> bool:
    """Whether an asked port and protocol (empty: any) are those of a port."""
    if port and port != (port_name or "").lower():
        return False
    return not protocol or protocol == (port_protocol or "TCP").lower()


def dotted(name: str) -> str:
    """A name in absolute form."""
    return name if name.endswith(".") else name + "."


def address_of_reverse(name: str) -> str:
    """The address that a reverse name spells; the empty string if it spells none."""
    if name.endswith(".in-addr.arpa."):
        parts = name.removesuffix(".in-addr.arpa.").split(".")
        address = ".".join(reversed(parts))
        return address if len(parts) == 4 and is_address(address) else ""
    if name.endswith(".ip6.arpa."):
        digits = name.removesuffix(".ip6.arpa.").split(".")[::-1]
        if len(digits) != 32 or any(len(digit) != 1 for digit in digits):
            return ""
        text = "".join(digits)
        address = ":".join(text[i : i + 4] for i in range(0, 32, 4))
        if not is_address(address):
            return ""
        return str(ip_address(address))
    return ""
