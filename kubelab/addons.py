"""What is installed into a new cluster besides its components: storage class, metrics API and DNS.

CoreDNS is not a component of its own kind: it is a Deployment of ordinary pods behind an ordinary
Service, scheduled, probed and restarted like any other. So all that makes a cluster's DNS is these
manifests, which `kubeadm` applies once.

In Kubernetes: cmd/kubeadm/app/phases/addons/dns.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds
from kubelab.api.objects import EMPTY, Obj, freeze, namespace_of
from kubelab.api.rest import Response, url
from kubelab.client.client import Client
from kubelab.dns.corefile import DEFAULT as COREFILE
from kubelab.proxy.config import text as proxy_configuration
from kubelab.sim.kernel import Event

DNS_ADDRESS = "10.96.0.10"
IMAGE = "registry.k8s.io/coredns/coredns:v1.14.2"
LABELS = {"k8s-app": "kube-dns"}


def _container() -> dict[str, Any]:
    return {
        "name": "coredns", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {
            "limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"},
        },
        "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": True}],
        "ports": [
            {"containerPort": 53, "name": "dns", "protocol": "UDP"},
            {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"},
            {"containerPort": 9153, "name": "metrics", "protocol": "TCP"},
            {"containerPort": 8080, "name": "liveness-probe", "protocol": "TCP"},
            {"containerPort": 8181, "name": "readiness-probe", "protocol": "TCP"},
        ],
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": "liveness-probe", "scheme": "HTTP"},
            "initialDelaySeconds": 60, "timeoutSeconds": 5, "successThreshold": 1,
            "failureThreshold": 5,
        },
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": "readiness-probe", "scheme": "HTTP"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
        },
    }  # fmt: skip


def _pod() -> dict[str, Any]:
    term = {
        "weight": 100,
        "podAffinityTerm": {
            "labelSelector": {
                "matchExpressions": [
                    {"key": "k8s-app", "operator": "In", "values": ["kube-dns"]},
                ]
            },
            "topologyKey": "kubernetes.io/hostname",
        },
    }
    items = [{"key": "Corefile", "path": "Corefile"}]
    return {
        "priorityClassName": "system-cluster-critical", "serviceAccountName": "coredns",
        "affinity": {
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}
        },
        "tolerations": [
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
            {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
        ],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "containers": [_container()],
        "dnsPolicy": "Default",
        "volumes": [
            {"name": "config-volume", "configMap": {"name": "coredns", "items": items}}
        ],
    }  # fmt: skip


def storage() -> list[Obj]:
    """The default storage class; its provisioner is a loop of the controller manager."""
    return [freeze({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubelab.dev/directory", "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    })]  # fmt: skip


def proxy(cluster_cidr: str, mode: str = "") -> list[Obj]:
    """The configuration of kube-proxy; its processes are parts of the nodes here."""
    return [freeze({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "kube-proxy", "namespace": "kube-system", "labels": {"app": "kube-proxy"},
        },
        "data": {"config.conf": proxy_configuration(mode, cluster_cidr)},
    })]  # fmt: skip


def metrics() -> list[Obj]:
    """What leads requests for metrics.k8s.io to metrics-server."""
    return [freeze({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {
            "name": "v1beta1.metrics.k8s.io", "labels": {"k8s-app": "metrics-server"},
        },
        "spec": {
            "group": "metrics.k8s.io", "version": "v1beta1", "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100, "versionPriority": 100,
            "service": {"name": "metrics-server", "namespace": "kube-system"},
        },
    })]  # fmt: skip


def dns(replicas: int = 2) -> list[Obj]:
    """The objects that make the cluster's DNS, in the order in which they are made."""
    named = {"name": "coredns", "namespace": "kube-system"}
    made: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named},
        {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": named,
            "data": {"Corefile": COREFILE},
        },
        {
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "kube-dns", "namespace": "kube-system",
                "annotations": {"prometheus.io/port": "9153", "prometheus.io/scrape": "true"},
                "labels": {
                    **LABELS, "kubernetes.io/cluster-service": "true",
                    "kubernetes.io/name": "CoreDNS",
                },
            },
            "spec": {
                "clusterIP": DNS_ADDRESS, "selector": LABELS,
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                    {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153},
                ],
            },
        },
        {
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {**named, "labels": LABELS},
            "spec": {
                "replicas": replicas,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
                "selector": {"matchLabels": LABELS},
                "template": {"metadata": {"labels": LABELS}, "spec": _pod()},
            },
        },
    ]  # fmt: skip
    return [freeze(obj) for obj in made]


class Installer(Client):
    """`kubeadm`: applies the addons once, one after the other, then rests."""

    def __init__(self, name: str, objects: list[Obj], *, servers: tuple[str, ...]) -> None:
        super().__init__(name, servers=servers, agent="kubeadm", user="kubernetes-admin")
        self.objects = tuple(objects)
        self.next = 0

    def start(self) -> None:
        super().start()
        self.install()

    def install(self) -> None:
        """Makes the next object; the answer brings the one after it."""
        if self.next < len(self.objects):
            obj = self.objects[self.next]
            kind = kinds.by_kind(obj["apiVersion"], obj["kind"])
            self.note(kind=kind.kind, name=obj["metadata"]["name"])
            self.request("POST", url(kind, namespace_of(obj)), body=obj, reply="installed")

    def installed(self, response: Response) -> None:
        """One object is there (409: it was there before), or must be tried again."""
        if response.ok or response.status == 409:
            self.next += 1
            self.install()
        else:
            self.after(1, "install")

    @staticmethod
    def tell(event: Event) -> str:
        detail = event.detail or EMPTY
        if event.verb in ("start", "install") and "kind" in detail:
            return f"kubeadm installs {detail['kind']} {detail['name']}."
        return f"kubeadm hears from {event.actor}: {event.verb}."
