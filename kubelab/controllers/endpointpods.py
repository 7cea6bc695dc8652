"""Which pods belong to which Service, and on which of their ports.

`PodMatcher` keeps the Services' selectors by namespace, so that a change of a pod finds its
Services without asking all of them, and says which changes matter: labels, address, readiness, the
end. `PodFollower` is the part that both controllers of endpoints share: they follow Services and
pods alike, and differ only in what they write.

In Kubernetes: pkg/controller/util/endpoint and staging/src/k8s.io/endpointslice/util.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import (
    NOTHING,
    Obj,
    annotations_of,
    get,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from kubelab.api.selectors import LabelSelector, equal
from kubelab.client.controller import Controller
from kubelab.client.informer import Informer, by_namespace
from kubelab.controllers.pods import condition, is_over, is_ready, is_terminating

TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
HEADLESS = "service.kubernetes.io/headless"


def is_headless(service: Obj) -> bool:
    """Whether the Service has no address of its own."""
    return bool(service["spec"].get("clusterIP") == "None")


def pod_ports(service: Obj, pod: Obj) -> tuple[Any, ...]:
    """The Service's ports as this pod has them; a named port that it lacks is left out."""
    ports = []
    for port in service["spec"].get("ports") or ():
        number = port_number(port, pod)
        if number:
            row = {
                "name": port.get("name", ""), "protocol": port.get("protocol", "TCP"),
                "port": number,
            }  # fmt: skip
            if port.get("appProtocol"):
                row["appProtocol"] = port["appProtocol"]
            ports.append(tuple(row.items()))
    return tuple(ports)


def port_number(port: Obj, pod: Obj) -> int | None:
    """The number of a Service port's target in a pod."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    containers = [
        *get(pod, "spec", "containers", default=NOTHING),
        *(
            item
            for item in get(pod, "spec", "initContainers", default=NOTHING)
            if item.get("restartPolicy") == "Always"
        ),
    ]
    for container in containers:
        for item in container.get("ports") or ():
            if item.get("name") == target and (
                item.get("protocol", "TCP") == port.get("protocol", "TCP")
            ):
                return int(item["containerPort"])
    return None


def addresses_of(pod: Obj) -> tuple[str, ...]:
    """All addresses of a pod, the main one first."""
    rows = get(pod, "status", "podIPs", default=NOTHING)
    return tuple(row["ip"] for row in rows) or (pod["status"]["podIP"],)


def address_of(pod: Obj, family: str) -> str:
    """A pod's address of a family; empty if it has none."""
    wanted = family == "IPv6"
    return next((ip for ip in addresses_of(pod) if (":" in ip) is wanted), "")


def facts_of(pod: Obj | None) -> tuple[Any, ...] | None:
    """What an endpoint shows of a pod; None for what is no endpoint."""
    if pod is None or is_over(pod) or not get(pod, "status", "podIP"):
        return None
    return (
        addresses_of(pod), is_ready(pod), is_terminating(pod),
        get(pod, "spec", "nodeName"), get(pod, "spec", "hostname"), get(pod, "spec", "subdomain"),
    )  # fmt: skip


def trigger_time(old: Obj | None, new: Obj | None) -> str:
    """When the change happened that the slices are to follow: the pod's readiness."""
    if new is None or is_terminating(new):
        return ""
    return str(condition(new, "Ready").get("lastTransitionTime") or "") if is_ready(new) else ""


class PodMatcher:
    """The selectors of all Services, by namespace, and the pods that each selects now.

    `rows` keeps what a controller has made of each pod for each Service, until one of them changes:
    so a Service with a thousand pods costs little when one of them does.
    """

    def __init__(self, pods: Informer) -> None:
        self.pods = pods
        self.pods.index("namespace", by_namespace)
        self.selectors: dict[str, dict[str, LabelSelector]] = {}
        self.members: dict[str, dict[str, None]] = {}
        self.rows: dict[str, dict[str, tuple[Any, Any]]] = {}

    def service(self, service: Obj, present: bool) -> None:
        """A Service has come, changed or gone."""
        key = key_of(service)
        self.rows[key] = {}
        selectors = self.selectors.setdefault(namespace_of(service), {})
        selector = equal(service["spec"].get("selector"))
        if not present or selector.empty:
            selectors.pop(key, None)
            self.members.pop(key, None)
            del self.rows[key]
        elif selectors.get(key) != selector:
            selectors[key] = selector
            self.members[key] = {
                key_of(pod): None
                for pod in self.pods.indexed("namespace", namespace_of(service))
                if facts_of(pod) is not None and selector.matches(labels_of(pod))
            }

    def pod(self, old: Obj | None, new: Obj | None) -> list[str]:
        """The keys of the Services for which this change of a pod matters."""
        before, after = facts_of(old), facts_of(new)
        pod = new if new is not None else old
        if pod is None or (before is None and after is None):
            return []
        same_labels = old is not None and new is not None and labels_of(old) == labels_of(new)
        if before == after and same_labels:
            return []
        keys = []
        for key, selector in self.selectors.get(namespace_of(pod), {}).items():
            was = before is not None and old is not None and selector.matches(labels_of(old))
            now = after is not None and new is not None and selector.matches(labels_of(new))
            if now:
                self.members[key][key_of(pod)] = None
            elif was:
                self.members[key].pop(key_of(pod), None)
            if was != now or (now and before != after):
                self.rows[key].pop(key_of(pod), None)
                keys.append(key)
        return keys

    def fresh(self, key: str) -> list[Obj]:
        """The pods of a Service for which there is no row."""
        rows = self.rows.get(key, {})
        found = (self.pods.get(name) for name in self.members.get(key, ()) if name not in rows)
        return [pod for pod in found if pod is not None]


class PodFollower(Controller):
    """A controller that writes down the pods of each Service with a selector."""

    def follow(self) -> None:
        """Begins to watch Services and pods."""
        self.triggers: dict[str, str] = {}
        self.matcher = PodMatcher(self.watch("v1/Pod"))
        self.watch("v1/Pod", "on_pod")
        self.services = self.watch("v1/Service", "on_service")

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

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has changed: the Services that it belongs to, or belonged to, are looked at."""
        for key in self.matcher.pod(old, new):
            moment = trigger_time(old, new)
            if moment:
                self.triggers.setdefault(key, moment)
            self.enqueue(key)


def labels_for(service: Obj, **more: str) -> dict[str, str]:
    """The labels of what is written for a Service: its own, whether it is headless, and more."""
    labels = {name: text for name, text in labels_of(service).items() if name != HEADLESS}
    if is_headless(service):
        labels[HEADLESS] = ""
    return labels | more


def metadata_for(
    held: Obj | None, fresh: dict[str, Any], labels: dict[str, str], moment: str
) -> dict[str, Any]:
    """The metadata of what is written: as held, or fresh; with labels and the cause's time."""
    metadata = dict(held["metadata"]) if held is not None else fresh
    notes = dict(annotations_of(held)) if held is not None else {}
    notes.pop(TRIGGER, None)
    if moment:
        notes[TRIGGER] = moment
    metadata.pop("annotations", None)
    return metadata | {"labels": labels} | ({"annotations": notes} if notes else {})


def target_of(pod: Obj) -> dict[str, Any]:
    """The reference by which an endpoint names its pod."""
    return {
        "kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod),
    }  # fmt: skip


def hostname_of(pod: Obj, service: Obj) -> dict[str, str]:
    """The name that an endpoint has in DNS, where the pod has one below this Service."""
    hostname = get(pod, "spec", "hostname")
    if hostname and get(pod, "spec", "subdomain") == name_of(service):
        return {"hostname": hostname}
    return {}
