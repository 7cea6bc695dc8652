"""The hosts plugin: names and addresses that stand in the Corefile itself.

It is asked before the cluster's own names; what it does not know goes on to the next plugin only if
it says `fallthrough`. A reverse name that it does not know always goes on.

In Kubernetes: CoreDNS' plugin/hosts. Left out: files.
"""

from __future__ import annotations

from kubelab.dns.corefile import Block
from kubelab.dns.naming import Reply, address_of_reverse
from kubelab.network.payloads import Answer


def from_hosts(block: Block, name: str, type_: str) -> Reply | None:
    """What the hosts plugin answers; None where the next plugin is to be asked."""
    if not block.hosts_used:
        return None
    if type_ == "PTR":
        address = address_of_reverse(name.lower())
        names = [host for host, at in block.hosts if address and at == address]
        pointers = tuple(Answer(name, block.hosts_ttl, "PTR", host) for host in names)
        return Reply("NOERROR", pointers, origin="the hosts of the Corefile") if names else None
    found = [address for host, address in block.hosts if host == name.lower()]
    if not found:
        return None if block.hosts_fallthrough else Reply("SERVFAIL")
    rows = tuple(
        Answer(name, block.hosts_ttl, type_, address)
        for address in found
        if type_ == ("AAAA" if ":" in address else "A")
    )
    return Reply("NOERROR", rows, origin="the hosts of the Corefile")
