"""Service accounts and the root certificate: what every namespace gets as soon as it exists.

Each active namespace has a ServiceAccount `default`, under which pods run that name none, and a
ConfigMap `kube-root-ca.crt`, by which they know the API server. Whoever deletes one of them sees it
come back.

In Kubernetes: pkg/controller/serviceaccount/serviceaccounts_controller.go and
pkg/controller/certificates/rootcacertpublisher. Left out: token Secrets, which are made on demand
only since 1.24.
"""

from __future__ import annotations

from kubelab.api.objects import Obj, freeze, get, name_of, namespace_of
from kubelab.api.rest import Response
from kubelab.client.controller import Controller

ROOT_CA_NAME = "kube-root-ca.crt"
ROOT_CA_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is "
    "guaranteed across distributions of Kubernetes clusters."
)


class EachNamespace(Controller):
    """Keeps one object of one kind and name in every active namespace."""

    kind = ""
    object_name = ""

    def begin(self) -> None:
        self.namespaces = self.watch("v1/Namespace", "on_namespace")
        self.objects = self.watch(self.kind, "on_object")

    def on_namespace(self, old: Obj | None, new: Obj | None) -> None:
        """A namespace has come or changed."""
        if new is not None and self.objects.get(f"{name_of(new)}/{self.object_name}") is None:
            self.enqueue(name_of(new))

    def on_object(self, old: Obj | None, new: Obj | None) -> None:
        """An object of our name has been deleted or changed."""
        obj = new if new is not None else old
        if obj is not None and name_of(obj) == self.object_name and old is not None:
            self.enqueue(namespace_of(obj))

    def wished(self, namespace: str) -> Obj:
        """The object as it is to be."""
        raise NotImplementedError

    def sync(self, key: str) -> None:
        """Makes the object if it is missing, and mends it if somebody changed it."""
        namespace = self.namespaces.get(key)
        if namespace is None or get(namespace, "status", "phase", default="Active") != "Active":
            return
        wished = self.wished(key)
        held = self.objects.get(f"{key}/{self.object_name}")
        if held is None:
            self.note(wish=1, seen=0, act="create 1", object=f"{self.kind} {self.object_name}")
            self.create(wished, "created")
        elif "data" in wished and held.get("data") != wished["data"]:
            self.note(wish=1, seen=1, act="mend 1", object=f"{self.kind} {self.object_name}")
            self.update(freeze({**held, "data": wished["data"]}))
        else:
            self.note(wish=1, seen=1, act="—")

    def created(self, response: Response) -> bool:
        """That somebody else made it, or that the namespace ends, is no failure."""
        return response.status == 409 or (
            response.status == 403 and "being terminated" in response.message
        )


class ServiceAccountController(EachNamespace):
    """Keeps the ServiceAccount `default`."""

    name = "serviceaccount"
    kind = "v1/ServiceAccount"
    object_name = "default"

    def wished(self, namespace: str) -> Obj:
        return freeze({  # type: ignore[no-any-return]
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": self.object_name, "namespace": namespace},
        })  # fmt: skip


class RootCAController(EachNamespace):
    """Keeps the ConfigMap `kube-root-ca.crt`."""

    name = "root-ca-certificate-publisher"
    kind = "v1/ConfigMap"
    object_name = ROOT_CA_NAME

    def wished(self, namespace: str) -> Obj:
        root_ca = getattr(self.process, "root_ca", "")
        return freeze({  # type: ignore[no-any-return]
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": self.object_name, "namespace": namespace,
                "annotations": {"kubernetes.io/description": ROOT_CA_DESCRIPTION},
            },
            "data": {"ca.crt": root_ca},
        })  # fmt: skip
