"""Namespaces: what each is given, and how each is emptied."""

from __future__ import annotations

from kubelab.api.objects import Obj
from kubelab.controllers.namespace import NamespaceController
from kubelab.controllers.serviceaccount import RootCAController, ServiceAccountController
from tests.controllers.stub import Scene, status_of


def namespace(scene: Scene, name: str = "shop") -> Obj:
    return scene.make({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    })  # fmt: skip


def end(scene: Scene, name: str = "shop") -> None:
    scene.server.remove("namespaces", name)
    scene.change("namespaces", name, ("status", "phase"), "Terminating")


def thing(scene: Scene, kind: str, name: str, **metadata: object) -> Obj:
    return scene.make({
        "apiVersion": "v1", "kind": kind,
        "metadata": {"name": name, "namespace": "shop", **metadata}, "spec": {"containers": []},
    })  # fmt: skip


def test_a_new_namespace_gets_its_account_and_certificate() -> None:
    """ServiceAccount default and ConfigMap kube-root-ca.crt; both come back when deleted."""
    scene = Scene(ServiceAccountController, RootCAController)
    namespace(scene)
    scene.run(1)
    assert scene.get("serviceaccounts", "shop/default")
    assert "ca.crt" in scene.get("configmaps", "shop/kube-root-ca.crt")["data"]
    scene.server.remove("serviceaccounts", "shop/default")
    scene.server.remove("configmaps", "shop/kube-root-ca.crt")
    scene.run(1)
    assert scene.get("serviceaccounts", "shop/default")
    assert scene.get("configmaps", "shop/kube-root-ca.crt")


def test_a_changed_certificate_is_mended() -> None:
    """Whoever overwrites the root certificate sees it come back."""
    scene = Scene(RootCAController)
    namespace(scene)
    scene.run(1)
    before = scene.get("configmaps", "shop/kube-root-ca.crt")["data"]
    scene.change("configmaps", "shop/kube-root-ca.crt", ("data", "ca.crt"), "mine")
    scene.run(1)
    assert scene.get("configmaps", "shop/kube-root-ca.crt")["data"] == before


def test_nothing_is_made_in_a_namespace_that_ends() -> None:
    """A Terminating namespace gets no account, and a refusal is not tried again."""
    scene = Scene(ServiceAccountController)
    message = (
        'serviceaccounts "default" is forbidden: unable to create new content in namespace shop '
        "because it is being terminated"
    )
    scene.server.refuse["POST", "serviceaccounts"] = status_of(403, "Forbidden", message)
    namespace(scene)
    scene.run(10)
    assert len([r for r in scene.server.asked if r.method == "POST"]) == 1


def test_an_empty_namespace_goes_after_five_seconds() -> None:
    """Five seconds after the deletion the finalizer is taken away, not before."""
    scene = Scene(NamespaceController)
    namespace(scene)
    scene.run(1)
    end(scene)
    scene.run(4.5)
    assert scene.list("namespaces")
    scene.run(1)
    assert not scene.list("namespaces")


def test_pods_go_first_then_the_rest() -> None:
    """While a pod is terminating nothing else is deleted."""
    scene = Scene(NamespaceController)
    namespace(scene)
    thing(scene, "Pod", "p")
    thing(scene, "ConfigMap", "c")
    scene.change("pods", "shop/p", ("spec", "nodeName"), "node-1")
    scene.run(1)
    end(scene)
    scene.run(7)
    assert scene.get("pods", "shop/p")["metadata"]["deletionTimestamp"]
    assert not scene.get("configmaps", "shop/c")["metadata"].get("deletionTimestamp")
    conditions = {
        item["type"]: item for item in scene.get("namespaces", "shop")["status"]["conditions"]
    }
    assert conditions["NamespaceContentRemaining"]["message"] == (
        "Some resources are remaining: pods. has 1 resource instances"
    )
    scene.server.kill("shop/p")
    scene.run(20)
    assert not scene.list("configmaps")
    assert not scene.list("namespaces")


def test_a_finalizer_holds_the_namespace_and_is_named() -> None:
    """Conditions as Kubernetes words them, in its order; the namespace goes once it is let go."""
    scene = Scene(NamespaceController)
    namespace(scene)
    thing(scene, "ConfigMap", "f", finalizers=["a.example/x"])
    scene.run(1)
    end(scene)
    scene.run(7)
    conditions = scene.get("namespaces", "shop")["status"]["conditions"]
    fields = ("type", "status", "reason", "message")
    assert [tuple(item[field] for field in fields) for item in conditions] == [
        ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered",
         "All resources successfully discovered"),
        ("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
         "All legacy kube types successfully parsed"),
        ("NamespaceDeletionContentFailure", "False", "ContentDeleted",
         "All content successfully deleted, may be waiting on finalization"),
        ("NamespaceContentRemaining", "True", "SomeResourcesRemain",
         "Some resources are remaining: configmaps. has 1 resource instances"),
        ("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain",
         "Some content in the namespace has finalizers remaining: "
         "a.example/x in 1 resource instances"),
    ]  # fmt: skip
    scene.change("configmaps", "shop/f", ("metadata", "finalizers"), [])
    scene.run(20)
    assert not scene.list("namespaces")


def test_other_namespaces_are_left_alone() -> None:
    """Only what is in the namespace goes."""
    scene = Scene(NamespaceController)
    namespace(scene)
    scene.make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
    thing(scene, "ConfigMap", "c")
    scene.run(1)
    end(scene)
    scene.run(10)
    assert list(scene.server.store["configmaps"]) == ["default/c"]
