"""The garbage collector alone: what is owned goes when its owners are gone."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import Obj, freeze, owners_of, uid_of
from kubelab.controllers.garbagecollector import GarbageCollector
from tests.controllers.stub import Scene


def config_map(name: str, *owners: Obj, blocking: bool = False, **metadata: Any) -> dict[str, Any]:
    refs = [
        {
            "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"],
            "uid": uid_of(owner), "blockOwnerDeletion": blocking,
        }
        for owner in owners
    ]  # fmt: skip
    made: dict[str, Any] = {"name": name, **metadata}
    if refs:
        made["ownerReferences"] = refs
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": made}


def remove(scene: Scene, name: str, policy: str = "Background") -> None:
    scene.server.remove("configmaps", f"default/{name}", freeze({"propagationPolicy": policy}))
    scene.run(2)


def names(scene: Scene) -> list[str]:
    return [obj["metadata"]["name"] for obj in scene.list("configmaps")]


def test_background_deletes_dependents_after_their_owner() -> None:
    """The owner goes at once; the chain of its dependents follows."""
    scene = Scene(GarbageCollector)
    owner = scene.make(config_map("owner"))
    child = scene.make(config_map("child", owner))
    scene.make(config_map("grandchild", child))
    scene.make(config_map("other"))
    scene.run(1)
    remove(scene, "owner")
    assert names(scene) == ["other"]


def test_an_owner_that_never_was_is_found_out() -> None:
    """A reference to nobody: the API server is asked, and the dependent is deleted."""
    scene = Scene(GarbageCollector)
    nobody = freeze({"metadata": {"name": "nobody", "uid": "1111"}})
    scene.make(config_map("lost", nobody))
    scene.run(1)
    assert names(scene) == []


def test_a_dependent_with_another_owner_stays() -> None:
    """Only the dead reference is taken away while one owner lives."""
    scene = Scene(GarbageCollector)
    one, two = scene.make(config_map("one")), scene.make(config_map("two"))
    scene.make(config_map("child", one, two))
    scene.run(1)
    remove(scene, "one")
    assert names(scene) == ["two", "child"]
    (ref,) = owners_of(scene.get("configmaps", "default/child"))
    assert ref["uid"] == uid_of(two)


def test_foreground_keeps_the_owner_until_its_dependents_are_gone() -> None:
    """The owner waits for a blocking dependent that a finalizer holds."""
    scene = Scene(GarbageCollector)
    owner = scene.make(config_map("owner"))
    scene.make(config_map("owned", owner, blocking=True, finalizers=["a.example/x"]))
    scene.run(1)
    remove(scene, "owner", "Foreground")
    assert names(scene) == ["owner", "owned"]
    assert scene.get("configmaps", "default/owned")["metadata"]["deletionTimestamp"]
    scene.change("configmaps", "default/owned", ("metadata", "finalizers"), [])
    scene.run(2)
    assert names(scene) == []


def test_foreground_does_not_wait_for_what_does_not_block() -> None:
    """Without blockOwnerDeletion the owner goes though its dependent is held."""
    scene = Scene(GarbageCollector)
    owner = scene.make(config_map("owner"))
    scene.make(config_map("owned", owner, finalizers=["a.example/x"]))
    scene.run(1)
    remove(scene, "owner", "Foreground")
    assert names(scene) == ["owned"]


def test_orphan_takes_the_references_and_lets_the_owner_go() -> None:
    """The dependents stay, without the reference."""
    scene = Scene(GarbageCollector)
    owner = scene.make(config_map("owner"))
    for name in ("a", "b", "c"):
        scene.make(config_map(name, owner))
    scene.run(1)
    remove(scene, "owner", "Orphan")
    assert names(scene) == ["a", "b", "c"]
    assert not any(owners_of(obj) for obj in scene.list("configmaps"))


def test_an_owner_in_another_namespace_owns_nothing() -> None:
    """References do not cross namespaces: such a dependent is deleted."""
    scene = Scene(GarbageCollector)
    owner = scene.make(config_map("owner", namespace="far"))
    scene.make(config_map("child", owner))
    scene.run(1)
    assert names(scene) == ["owner"]


def test_the_sentence_names_the_dead_owner() -> None:
    """What is told of a deletion names the object and the owner that is gone."""
    scene = Scene(GarbageCollector)
    owner = scene.make(config_map("owner"))
    scene.make(config_map("child", owner))
    scene.run(1)
    remove(scene, "owner")
    wanted = (
        "Garbage collector deletes ConfigMap default/child because its owner ConfigMap/owner is "
        "gone."
    )
    assert wanted in scene.sentences()


def test_an_owner_in_another_namespace_is_told_of() -> None:
    """The dependent gets a warning that names the reference as it was read."""
    scene = Scene(GarbageCollector)
    owner = scene.make(config_map("owner", namespace="far"))
    uid = owner["metadata"]["uid"]
    ref = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    scene.make({**config_map("mine"), "metadata": {"name": "mine", "ownerReferences": [ref]}})
    scene.run(1)
    where = f"[v1/ConfigMap, namespace: default, name: owner, uid: {uid}]"
    text = f'OwnerRefInvalidNamespace ownerRef {where} does not exist in namespace "default"'
    assert scene.events("mine") == [text]
