"""The node IPAM controller alone: a /24 for each node."""

from __future__ import annotations

from kubelab.controllers.nodeipam import BLOCKS, NodeIPAMController, block
from tests.controllers.stub import Scene


def node(scene: Scene, name: str) -> None:
    scene.make({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {}})


def cidrs(scene: Scene) -> dict[str, str]:
    return {obj["metadata"]["name"]: obj["spec"]["podCIDR"] for obj in scene.list("nodes")}


def test_nodes_get_blocks_in_order() -> None:
    """node-1 gets 10.244.1.0/24, and so on; podCIDRs says the same."""
    scene = Scene(NodeIPAMController)
    for number in (1, 2, 3):
        node(scene, f"node-{number}")
    scene.run(1)
    assert cidrs(scene) == {f"node-{n}": f"10.244.{n}.0/24" for n in (1, 2, 3)}
    assert scene.get("nodes", "node-2")["spec"]["podCIDRs"] == ["10.244.2.0/24"]


def test_a_deleted_nodes_block_is_given_again() -> None:
    """The lowest free block comes first."""
    scene = Scene(NodeIPAMController)
    for number in (1, 2):
        node(scene, f"node-{number}")
    scene.run(1)
    scene.server.remove("nodes", "node-1")
    scene.run(1)
    node(scene, "node-9")
    scene.run(1)
    assert cidrs(scene) == {"node-2": "10.244.2.0/24", "node-9": "10.244.1.0/24"}


def test_a_restart_forgets_nothing() -> None:
    """What is taken follows from the nodes: after a restart no block is given twice."""
    scene = Scene(NodeIPAMController)
    node(scene, "node-1")
    scene.run(1)
    scene.world.halt("controller-manager")
    node(scene, "node-2")
    scene.world.begin("controller-manager")
    scene.run(1)
    assert cidrs(scene) == {"node-1": "10.244.1.0/24", "node-2": "10.244.2.0/24"}


def test_blocks_are_distinct() -> None:
    """There are enough blocks for five thousand nodes, and no two are the same."""
    assert len({block(index) for index in range(BLOCKS)}) == BLOCKS > 5000
