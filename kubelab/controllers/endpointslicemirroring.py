"""The EndpointSlice mirroring controller: Endpoints that somebody wrote by hand become slices.

A Service without a selector has no controller that finds its addresses; whoever wants them writes
an Endpoints object of the Service's name. kube-proxy and CoreDNS read slices only, so each subset
of such an object is mirrored into a slice that the object owns, one for each family of addresses.
What a Service selects is not mirrored, nor what is labelled
`endpointslice.kubernetes.io/skip-mirror`.

In Kubernetes: pkg/controller/endpointslicemirroring. Of a subset at most a thousand
addresses are mirrored.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import (
    NOTHING,
    Obj,
    annotations_of,
    freeze,
    key_of,
    labels_of,
    name_of,
    namespace_of,
)
from kubelab.client.controller import Controller
from kubelab.controllers.endpointpods import TRIGGER
from kubelab.controllers.endpointslice import MANAGED_BY, SERVICE_NAME
from kubelab.controllers.pods import is_terminating, reference_to

MANAGER = "endpointslicemirroring-controller.k8s.io"
MOST = 1000
# Annotations that say something of the Endpoints object alone.
OWN = ("kubectl.kubernetes.io/last-applied-configuration", TRIGGER)
SKIP = "endpointslice.kubernetes.io/skip-mirror"


def mirror_key(slice_: Obj) -> str:
    """Index: the key of the Endpoints object that a slice mirrors."""
    labels = labels_of(slice_)
    if labels.get(MANAGED_BY) != MANAGER or not labels.get(SERVICE_NAME):
        return ""
    return f"{namespace_of(slice_)}/{labels[SERVICE_NAME]}"


class EndpointSliceMirroringController(Controller):
    """Mirrors Endpoints objects of Services without a selector."""

    name = "endpointslicemirroring"

    def begin(self) -> None:
        self.services = self.watch("v1/Service", "on_object")
        self.endpoints = self.watch("v1/Endpoints", "on_object")
        self.slices = self.watch("discovery.k8s.io/v1/EndpointSlice", "on_slice")
        self.slices.index("mirror", mirror_key)

    def event_source(self) -> str:
        return "endpoint-slice-mirroring-controller"

    def on_object(self, old: Obj | None, new: Obj | None) -> None:
        """A Service or an Endpoints object has changed; most are none of ours."""
        obj = new if new is not None else old
        assert obj is not None
        key = key_of(obj)
        if self._is_ours(key) or self.slices.indexed("mirror", key):
            self.enqueue(key)

    def on_slice(self, old: Obj | None, new: Obj | None) -> None:
        """A mirror was changed by somebody."""
        if old is not None and mirror_key(old):
            self.enqueue(mirror_key(old))

    def _is_ours(self, key: str) -> bool:
        """Whether an Endpoints object is to be mirrored."""
        service, endpoints = self.services.get(key), self.endpoints.get(key)
        if service is None or endpoints is None or service["spec"].get("selector"):
            return False
        return labels_of(endpoints).get(SKIP) != "true" and not is_terminating(endpoints)

    def sync(self, key: str) -> None:
        """Brings the mirrors of one Endpoints object to what it says."""
        held = list(self.slices.indexed("mirror", key))
        endpoints = self.endpoints.get(key)
        wished = []
        if endpoints is not None and self._is_ours(key):
            wished = [
                mirror
                for subset in endpoints.get("subsets") or ()
                for family in ("IPv4", "IPv6")
                if (mirror := self._mirror(endpoints, subset, family)) is not None
            ]
        acts = []
        for new in wished:
            family = [item for item in held if item["addressType"] == new["addressType"]]
            same = next((item for item in family if item["ports"] == new["ports"]), None)
            old = same if same is not None else next(iter(family), None)
            if old is None:
                acts.append("create 1")
                self.create(new)
                continue
            held.remove(old)
            kept = {**old["metadata"], "labels": labels_of(new)}
            kept.pop("annotations", None)
            if annotations_of(new):
                kept["annotations"] = annotations_of(new)
            changed = freeze({**new, "metadata": kept})
            if changed != old:
                acts.append("update 1")
                self.update(changed)
        for item in held:
            acts.append("delete 1")
            self.delete("discovery.k8s.io/v1/EndpointSlice", namespace_of(item), name_of(item))
        self.note(wish=len(wished), seen=len(held), act=", ".join(acts) or "—")

    def _mirror(self, endpoints: Obj, subset: Obj, family: str) -> Obj | None:
        """The slice of one subset and family; none if it has no such address."""
        rows: list[dict[str, Any]] = []
        for field, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(field) or NOTHING:
                if (":" in address["ip"]) is not (family == "IPv6"):
                    continue
                row = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
                names = ("hostname", "nodeName", "targetRef")
                rows.append(row | {name: address[name] for name in names if name in address})
        if not rows:
            return None
        ports = [
            {"name": port.get("name", ""), "protocol": port.get("protocol", "TCP"),
             "port": port["port"]}
            for port in subset.get("ports") or NOTHING
        ]  # fmt: skip
        owned = {MANAGED_BY: MANAGER, SERVICE_NAME: name_of(endpoints)}
        notes = {name: text for name, text in annotations_of(endpoints).items() if name not in OWN}
        return freeze({  # type: ignore[no-any-return]
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "generateName": f"{name_of(endpoints)}-", "namespace": namespace_of(endpoints),
                "labels": {**labels_of(endpoints), **owned},
                "ownerReferences": [reference_to(endpoints)],
                **({"annotations": notes} if notes else {}),
            },
            "addressType": family, "endpoints": rows[:MOST], "ports": ports,
        })  # fmt: skip
