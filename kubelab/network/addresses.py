"""Addresses and networks: text to numbers, membership, allocation.

An address is its text (`10.244.1.2`), as in API objects; a network is its CIDR. The number of an
address is made only where something is compared. Both IPv4 and IPv6 are understood.

In Kubernetes: k8s.io/utils/net, and the host-local plugin of the CNI for the order in which a node
gives its addresses out.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network


@lru_cache(maxsize=4096)
def network_of(cidr: str) -> IPv4Network | IPv6Network:
    """The network of a CIDR; host bits may be set."""
    return ip_network(cidr, strict=False)


@lru_cache(maxsize=65536)
def number_of(address: str) -> tuple[int, int]:
    """The version and number of an address."""
    parsed = ip_address(address)
    return parsed.version, int(parsed)


def from_number(version: int, number: int, length: int) -> IPv4Network | IPv6Network:
    """The network of a version that begins with a number."""
    return IPv4Network((number, length)) if version == 4 else IPv6Network((number, length))


def is_address(text: str) -> bool:
    """Whether the text is an address."""
    try:
        number_of(text)
    except ValueError:
        return False
    return True


def contains(cidr: str, address: str) -> bool:
    """Whether the address lies in the network."""
    network = network_of(cidr)
    version, number = number_of(address)
    return version == network.version and int(network.network_address) <= number <= int(
        network.broadcast_address
    )


def text_of(host: str, port: int) -> str:
    """Address and port as one text; an IPv6 address is put in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def version_of(address: str) -> int:
    """4 or 6, of an address or a network."""
    return 6 if ":" in address else 4


def single(address: str) -> str:
    """The network of one address alone."""
    return f"{address}/{128 if ':' in address else 32}"


def host(cidr: str, offset: int) -> str:
    """The address at an offset within a network."""
    return str(network_of(cidr)[offset])


def next_free(cidr: str, taken: dict[str, str], last: int) -> tuple[str, int]:
    """The next free address after offset `last`, round and round, and its offset.

    The first two are left out: the network itself and the bridge that is every pod's gateway.
    Raises LookupError when all are given out.
    """
    network = network_of(cidr)
    size = min(network.num_addresses, 1 << 16)
    first, usable = 2, size - 3
    for count in range(usable):
        offset = first + (max(last, first - 1) - first + 1 + count) % usable
        address = str(network[offset])
        if address not in taken:
            return address, offset
    raise LookupError(f"no IP addresses available in range set: {network[1]}-{network[size - 2]}")
