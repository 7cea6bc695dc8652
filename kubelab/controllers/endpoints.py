"""The endpoints controller: the older list of a Service's addresses, one object for all.

Like the EndpointSlice controller it follows the pods that a Service selects, but writes ready and
not ready addresses into one Endpoints object of the Service's name, in sorted order, of the
Service's first family only, and at most a thousand; terminating pods are left out. kube-proxy no
longer reads it; people and old programs do.

In Kubernetes: pkg/controller/endpoint and pkg/api/v1/endpoints (RepackSubsets).
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import (
    NOTHING,
    Obj,
    annotations_of,
    freeze,
    get,
    key_of,
    labels_of,
    name_of,
    namespace_of,
)
from kubelab.api.rest import Response
from kubelab.controllers.endpointpods import (
    PodFollower,
    address_of,
    hostname_of,
    is_headless,
    labels_for,
    metadata_for,
    pod_ports,
    target_of,
)
from kubelab.controllers.pods import is_ready, is_terminating

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
CAPACITY = 1000


class EndpointsController(PodFollower):
    """Keeps the Endpoints object of each Service with a selector."""

    name = "endpoints"

    def begin(self) -> None:
        self.follow()
        self.endpoints = self.watch("v1/Endpoints", "on_endpoints")

    def event_source(self) -> str:
        return "endpoint-controller"

    def on_endpoints(self, old: Obj | None, new: Obj | None) -> None:
        """Somebody has changed or deleted an Endpoints object."""
        if old is not None and key_of(old) in self.matcher.members:
            self.enqueue(key_of(old))

    def sync(self, key: str) -> None:
        """Compares the pods of one Service with its Endpoints object."""
        service, held = self.services.get(key), self.endpoints.get(key)
        moment = self.triggers.pop(key, "")
        if service is None:
            if held is not None:
                self.note(wish=0, seen=1, act="delete 1")
                self.delete("v1/Endpoints", namespace_of(held), name_of(held))
            return
        if not service["spec"].get("selector"):
            return
        subsets, truncated = cut(self._subsets(service))
        labels = labels_for(service, **{MANAGED_BY: MANAGER})
        before = get(held, "subsets", default=NOTHING) if held is not None else None
        wish, seen = _count(subsets), _count(before or NOTHING)
        same = truncated == (held is not None and OVER_CAPACITY in annotations_of(held))
        if held is not None and before == subsets and labels_of(held) == labels and same:
            self.note(wish=wish, seen=seen, act="—")
            return
        fresh = {"name": name_of(service), "namespace": namespace_of(service)}
        metadata = metadata_for(held, fresh, labels, moment)
        notes = dict(metadata.pop("annotations", {}))
        notes.pop(OVER_CAPACITY, None)
        notes |= {OVER_CAPACITY: "truncated"} if truncated else {}
        metadata |= {"annotations": notes} if notes else {}
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
        if subsets:
            body["subsets"] = subsets
        self.note(wish=wish, seen=seen, act="update 1" if held is not None else "create 1")
        if held is not None:
            self.update(freeze(body))
        else:
            self.create(freeze(body), "created")

    def created(self, response: Response) -> bool:
        """In a namespace that ends nothing is made."""
        return response.status == 403 and "being terminated" in response.message

    def _subsets(self, service: Obj) -> Any:
        """The addresses by ports; an address that is ready stands in `addresses`."""
        key = key_of(service)
        rows = self.matcher.rows[key]
        for pod in self.matcher.fresh(key):
            rows[key_of(pod)] = self._row(service, pod)
        groups: dict[Any, tuple[list[Obj], list[Obj]]] = {}
        for (ports, shown, ready), address in rows.values():
            if shown:
                groups.setdefault(ports, ([], []))[0 if ready else 1].append(address)
        subsets = []
        for ports in sorted(groups):
            subset: dict[str, Any] = {}
            for name, found in zip(("addresses", "notReadyAddresses"), groups[ports], strict=True):
                if found:
                    subset[name] = sorted(found, key=_by_address)
            if ports:
                subset["ports"] = [_port(dict(port)) for port in ports]
            subsets.append(subset)
        return freeze(subsets)

    @staticmethod
    def _row(service: Obj, pod: Obj) -> tuple[Any, Obj]:
        """A pod's ports, whether it is shown and as ready, and its address."""
        family = get(service, "spec", "ipFamilies", 0, default="IPv4")
        ip = address_of(pod, family)
        address: dict[str, Any] = {
            "ip": ip, "nodeName": get(pod, "spec", "nodeName"), "targetRef": target_of(pod),
        }  # fmt: skip
        address |= hostname_of(pod, service)
        ports = pod_ports(service, pod)
        publish = bool(service["spec"].get("publishNotReadyAddresses"))
        shown = bool(ip) and (publish or not is_terminating(pod))
        shown = shown and bool(ports or is_headless(service))
        return (ports, shown, publish or is_ready(pod)), freeze(address)


def _by_address(row: Obj) -> tuple[str, str]:
    return row["ip"], row["targetRef"]["uid"]


def _port(port: dict[str, Any]) -> dict[str, Any]:
    if not port["name"]:
        del port["name"]
    return port


def cut(subsets: Any) -> tuple[Any, bool]:
    """At most a thousand addresses, the ready ones first; and whether some were left out."""
    if _count(subsets) <= CAPACITY:
        return subsets, False
    room = CAPACITY
    kept: list[dict[str, Any]] = [dict(subset) for subset in subsets]
    for name in ("addresses", "notReadyAddresses"):
        for subset in kept:
            rows = list(subset.pop(name, ()))[:room]
            room -= len(rows)
            if rows:
                subset[name] = rows
    names = ("addresses", "notReadyAddresses")
    return freeze([subset for subset in kept if any(name in subset for name in names)]), True


def _count(subsets: Any) -> int:
    return sum(
        len(subset.get("addresses") or ()) + len(subset.get("notReadyAddresses") or ())
        for subset in subsets
    )
