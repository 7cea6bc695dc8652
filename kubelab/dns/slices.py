"""The name server's copy of all EndpointSlices, found by service and by each endpoint's address.

An informer keeps one index value for an object; a slice has as many addresses as endpoints, so this
index is kept here, change by change.

In Kubernetes: CoreDNS' plugin/kubernetes/controller.go (epNameNamespaceIndexFunc, epIPIndexFunc).
"""

from __future__ import annotations

from kubelab.api.objects import Obj, key_of
from kubelab.client.informer import Informer
from kubelab.dns import naming


class Slices:
    """The informer of EndpointSlices, with an index by each endpoint's address besides."""

    def __init__(self, informer: Informer) -> None:
        self.informer = informer
        self.addresses: dict[str, dict[str, None]] = {}
        informer.index("service", naming.by_service)

    def get(self, key: str) -> Obj | None:
        """The slice of a key."""
        return self.informer.get(key)

    def indexed(self, name: str, value: str) -> list[Obj]:
        """The slices of a `service`, or with an `address`."""
        if name != "address":
            return self.informer.indexed(name, value)
        return [self.informer.store[key] for key in self.addresses.get(value, ())]

    def changed(self, old: Obj | None, new: Obj | None) -> None:
        """Keeps the index by address."""
        for address in naming.by_endpoint_addresses(old) if old is not None else ():
            keys = self.addresses.get(address)
            if keys is not None:
                keys.pop(key_of(old), None)
                if not keys:
                    del self.addresses[address]
        for address in naming.by_endpoint_addresses(new) if new is not None else ():
            self.addresses.setdefault(address, {})[key_of(new)] = None
