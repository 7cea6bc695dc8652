"""The endpoints controller: the older list of a Service's addresses, one object for all.

Like the EndpointSlice controller it follows the pods that a Service selects, but writes ready and
not ready addresses into one Endpoints object of the Service's name, in sorted order; terminating
pods are left out. kube-proxy no longer reads it; people and old programs do.

In Kubernetes: pkg/controller/endpoint and pkg/api/v1/endpoints (RepackSubsets). Left out: the limit
of a thousand addresses.
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
    uid_of,
)
from kubelab.api.rest import Response
from kubelab.client.controller import Controller
from kubelab.controllers.endpointpods import (
    TRIGGER,
    PodMatcher,
    is_headless,
    pod_ports,
    trigger_time,
)
from kubelab.controllers.endpointslice import HEADLESS
from kubelab.controllers.pods import is_ready, is_terminating

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"


class EndpointsController(Controller):
    """Keeps the Endpoints object of each Service with a selector."""

    name = "endpoints"

    def begin(self) -> None:
        self.triggers: dict[str, str] = {}
        self.matcher = PodMatcher(self.watch("v1/Pod"))
        self.watch("v1/Pod", "on_pod")
        self.services = self.watch("v1/Service", "on_service")
        self.endpoints = self.watch("v1/Endpoints", "on_endpoints")

    def event_source(self) -> str:
        return "endpoint-controller"

    def on_service(self, old: Obj | None, new: Obj | None) -> None:
        """A Service has changed."""
        service = new if new is not None else old
        if service is None:
            return
        self.matcher.service(service, new is not None)
        if old is None:
            self.triggers[key_of(service)] = service["metadata"]["creationTimestamp"]
        if service["spec"].get("selector"):
            self.enqueue(key_of(service))

    def on_endpoints(self, old: Obj | None, new: Obj | None) -> None:
        """Somebody has changed or deleted an Endpoints object."""
        if old is not None and key_of(old) in self.matcher.members:
            self.enqueue(key_of(old))

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has changed: the Services that it belongs to, or belonged to, are looked at."""
        for key in self.matcher.pod(old, new):
            moment = trigger_time(old, new)
            if moment:
                self.triggers.setdefault(key, moment)
            self.enqueue(key)

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
        subsets = self._subsets(service)
        labels = {name: text for name, text in labels_of(service).items() if name != HEADLESS}
        if is_headless(service):
            labels[HEADLESS] = ""
        labels[MANAGED_BY] = MANAGER
        before = get(held, "subsets", default=NOTHING) if held is not None else None
        wish, seen = _count(subsets), _count(before or NOTHING)
        if held is not None and before == subsets and labels_of(held) == labels:
            self.note(wish=wish, seen=seen, act="—")
            return
        metadata = dict(held["metadata"]) if held is not None else {
            "name": name_of(service), "namespace": namespace_of(service),
        }  # fmt: skip
        notes = dict(annotations_of(held)) if held is not None else {}
        notes.pop(TRIGGER, None)
        if moment:
            notes[TRIGGER] = moment
        metadata.pop("annotations", None)
        metadata |= {"labels": labels} | ({"annotations": notes} if notes else {})
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
        address: dict[str, Any] = {
            "ip": pod["status"]["podIP"],
            "nodeName": get(pod, "spec", "nodeName"),
            "targetRef": {
                "kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod),
                "uid": uid_of(pod),
            },
        }  # fmt: skip
        hostname = get(pod, "spec", "hostname")
        if hostname and get(pod, "spec", "subdomain") == name_of(service):
            address["hostname"] = hostname
        ports = pod_ports(service, pod)
        publish = bool(service["spec"].get("publishNotReadyAddresses"))
        shown = (publish or not is_terminating(pod)) and bool(ports or is_headless(service))
        return (ports, shown, publish or is_ready(pod)), freeze(address)


def _by_address(row: Obj) -> tuple[str, str]:
    return row["ip"], row["targetRef"]["uid"]


def _port(port: dict[str, Any]) -> dict[str, Any]:
    if not port["name"]:
        del port["name"]
    return port


def _count(subsets: Any) -> int:
    return sum(
        len(subset.get("addresses") or ()) + len(subset.get("notReadyAddresses") or ())
        for subset in subsets
    )
