"""The EndpointSlice controller: which pods stand behind a Service, and which of them are ready.

For each Service with a selector the matching pods that have an address are kept in slices of at
most a hundred, with their conditions ready, serving and terminating; for each of its families there
are slices of their own. A Service that wants its traffic near (`trafficDistribution`) gets hints:
for which zone or node each ready endpoint is meant. A turn compares the pods with
the slices that are there: what has changed is changed in its slice, new ones fill slices with
room, and only then a new slice is made. kube-proxy and CoreDNS read the slices; pods that are not
ready stay in them, marked.

In Kubernetes: pkg/controller/endpointslice and staging/src/k8s.io/endpointslice (reconciler.go).
Left out: the hints of the annotation topology-mode.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

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
from kubelab.controllers.endpointpods import (
    TRIGGER,
    PodFollower,
    address_of,
    hostname_of,
    labels_for,
    metadata_for,
    pod_ports,
    target_of,
)
from kubelab.controllers.pods import is_ready, is_terminating, reference_to

MANAGER = "endpointslice-controller.k8s.io"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"
MAX_ENDPOINTS = 100


Ports = tuple[Any, ...]


# How near traffic is to stay, and which hints say so.
ZONES = ("PreferClose", "PreferSameZone", "PreferSameNode")
NODES = ("PreferSameNode",)


class Plan(NamedTuple):
    """What is to be written of a family: (slice, ports, endpoints), (ports, endpoints), slices."""

    family: str
    updates: list[tuple[Obj, Ports, list[Obj]]]
    creates: list[tuple[Ports, list[Obj]]]
    deletes: list[Obj]


def service_key(slice_: Obj) -> str:
    """Index: the key of the Service whose slice this is, if it is one of ours."""
    labels = labels_of(slice_)
    if labels.get(MANAGED_BY) != MANAGER or not labels.get(SERVICE_NAME):
        return ""
    return f"{namespace_of(slice_)}/{labels[SERVICE_NAME]}"


class EndpointSliceController(PodFollower):
    """Keeps the slices of each Service with a selector."""

    name = "endpointslice"

    def begin(self) -> None:
        self.follow()
        self.slices = self.watch("discovery.k8s.io/v1/EndpointSlice", "on_slice")
        self.slices.index("service", service_key)
        self.nodes = self.watch("v1/Node")

    def event_source(self) -> str:
        return "endpoint-slice-controller"

    def on_slice(self, old: Obj | None, new: Obj | None) -> None:
        """A slice was changed or deleted, perhaps by somebody else."""
        for item in (old, new):
            key = service_key(item) if item is not None else ""
            if key and (old is not None or new is None):
                self.enqueue(key)

    def sync(self, key: str) -> None:
        """Compares the pods of one Service with its slices."""
        service = self.services.get(key)
        if service is None or is_terminating(service) or not service["spec"].get("selector"):
            # The garbage collector deletes the slices of a Service that is gone.
            self.triggers.pop(key, None)
            return
        if service["spec"].get("type") == "ExternalName":
            return
        slices = [item for item in self.slices.indexed("service", key) if not is_terminating(item)]
        wished = self._wished(service)
        moment, acts = self.triggers.pop(key, ""), []
        rows: list[Obj] = []
        for family, groups in wished.items():
            mine = [item for item in slices if item.get("addressType") == family]
            acts += self._carry_out(service, self._plan(family, groups, mine), moment, mine)
            rows += [row for group in groups.values() for row in group.values()]
        for item in slices:
            if item.get("addressType") not in wished:
                acts.append("delete 1")
                self.delete("discovery.k8s.io/v1/EndpointSlice", namespace_of(item), name_of(item))
        self.note(
            wish=len(rows), seen=sum(len(item.get("endpoints") or ()) for item in slices),
            act=", ".join(acts) or "—", ready=sum(row["conditions"]["ready"] for row in rows),
        )  # fmt: skip

    @staticmethod
    def _plan(family: str, groups: dict[Ports, dict[str, Obj]], slices: list[Obj]) -> Plan:
        """What has to be written so that the slices of a family hold these endpoints."""
        held: dict[Ports, list[Obj]] = {ports: [] for ports in groups}
        plan = Plan(family, [], [], [])
        for item in slices:
            ports = ports_key(item.get("ports"))
            if ports in held:
                held[ports].append(item)
            else:
                plan.deletes.append(item)
        for ports, endpoints in groups.items():
            settle(plan, ports, endpoints, held[ports])
        if not plan.creates and len(plan.deletes) == len(slices):
            # One slice without endpoints says that there is none.
            plan.creates.append(((), []))
        return plan

    def _wished(self, service: Obj) -> dict[str, dict[Ports, dict[str, Obj]]]:
        """The endpoints that there are to be, by family, by ports and then by pod."""
        key = key_of(service)
        families = tuple(get(service, "spec", "ipFamilies", default=())) or ("IPv4",)
        rows = self.matcher.rows[key]
        for pod in self.matcher.fresh(key):
            made = tuple(self._endpoint(service, pod, family) for family in families)
            rows[key_of(pod)] = (pod_ports(service, pod), made)
        wished: dict[str, dict[Ports, dict[str, Obj]]] = {family: {} for family in families}
        for ports, made in rows.values():
            for family, row in zip(families, made, strict=True):
                if row is not None:
                    wished[family].setdefault(ports, {})[row["targetRef"]["uid"]] = row
        return wished

    def _carry_out(self, service: Obj, plan: Plan, moment: str, slices: list[Obj]) -> list[str]:
        """Sends the writes; where one slice is to go and another to come, one is rewritten."""
        acts = []
        for item in slices:
            if item in plan.deletes and plan.creates:
                plan.deletes.remove(item)
                plan.updates.append((item, *plan.creates.pop()))
        updated = {name_of(item) for item, _, _ in plan.updates}
        for item in slices:
            # Labels follow the Service's even where no endpoint has changed.
            if name_of(item) not in updated and item not in plan.deletes:
                ports, rows = ports_key(item.get("ports")), list(item.get("endpoints") or ())
                plan.updates.append((item, ports, rows))
        for item, ports, rows in plan.updates:
            made = self._slice(service, plan.family, ports, rows, moment, item)
            if made != item:
                acts.append("update 1")
                self.update(made)
        for ports, rows in plan.creates:
            acts.append("create 1")
            self.create(self._slice(service, plan.family, ports, rows, moment, None))
        for item in plan.deletes:
            acts.append("delete 1")
            self.delete("discovery.k8s.io/v1/EndpointSlice", namespace_of(item), name_of(item))
        return acts

    def _endpoint(self, service: Obj, pod: Obj, family: str) -> Obj | None:
        """What a slice of a family says of a pod; nothing if it has no such address."""
        address = address_of(pod, family)
        if not address:
            return None
        ready, ending = is_ready(pod), is_terminating(pod)
        publish = bool(service["spec"].get("publishNotReadyAddresses"))
        endpoint: dict[str, Any] = {
            "addresses": [address],
            "conditions": {
                "ready": publish or (ready and not ending),
                "serving": ready,
                "terminating": ending,
            },
            "targetRef": target_of(pod),
            "nodeName": get(pod, "spec", "nodeName"),
        }
        node = self.nodes.get(endpoint["nodeName"] or "")
        zone = labels_of(node).get("topology.kubernetes.io/zone") if node is not None else None
        if zone:
            endpoint["zone"] = zone
        endpoint |= hostname_of(pod, service)
        near = service["spec"].get("trafficDistribution")
        if endpoint["conditions"]["ready"]:
            hints: dict[str, Any] = {}
            if near in ZONES and zone:
                hints["forZones"] = [{"name": zone}]
            if near in NODES and endpoint["nodeName"]:
                hints["forNodes"] = [{"name": endpoint["nodeName"]}]
            endpoint |= {"hints": hints} if hints else {}
        return freeze(endpoint)  # type: ignore[no-any-return]

    def _slice(
        self, service: Obj, family: str, ports: Ports, rows: list[Obj], moment: str,
        old: Obj | None,
    ) -> Obj:  # fmt: skip
        """A slice as it is to be."""
        labels = labels_for(service, **{MANAGED_BY: MANAGER, SERVICE_NAME: name_of(service)})
        fresh = {
            "generateName": f"{name_of(service)}-",
            "namespace": namespace_of(service),
            "ownerReferences": [reference_to(service)],
        }
        if old is not None:
            unchanged = rows == list(old.get("endpoints") or ())
            if unchanged and ports == ports_key(old.get("ports")):
                # Only a change of the endpoints is stamped with the time of its cause.
                moment = annotations_of(old).get(TRIGGER, "")
        made = {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": metadata_for(old, fresh, labels, moment),
            "addressType": family, "endpoints": rows or None,
            "ports": [dict(port) for port in ports] or None,
        }  # fmt: skip
        return freeze(made)  # type: ignore[no-any-return]


def settle(plan: Plan, ports: Ports, wished: dict[str, Obj], slices: list[Obj]) -> None:
    """Plans how the slices of one set of ports come to what is wished, changing few of them."""
    left = dict(wished)
    kept: list[tuple[Obj, list[Obj]]] = []
    for item in slices:
        rows = []
        for row in item.get("endpoints") or NOTHING:
            new = left.pop(get(row, "targetRef", "uid", default=""), None)
            if new is not None:
                rows.append(new)
        kept.append((item, rows))
    fresh = list(left.values())
    # Those with something to write anyway are filled first, so that the others rest.
    kept.sort(key=lambda pair: pair[1] == list(pair[0].get("endpoints") or ()))
    for item, rows in kept:
        room = max(0, MAX_ENDPOINTS - len(rows))
        rows, fresh = rows + fresh[:room], fresh[room:]
        if not rows:
            plan.deletes.append(item)
        elif rows != list(item.get("endpoints") or ()):
            plan.updates.append((item, ports, rows))
    while fresh:
        plan.creates.append((ports, fresh[:MAX_ENDPOINTS]))
        fresh = fresh[MAX_ENDPOINTS:]


def ports_key(ports: Iterable[Obj] | None) -> tuple[Any, ...]:
    """A slice's ports in a form that can be compared."""
    return tuple(
        tuple(
            (name, port[name])
            for name in ("name", "protocol", "port", "appProtocol")
            if name in port
        )
        for port in ports or ()
    )
