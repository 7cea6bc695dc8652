"""How long kubelets may keep what they read, by the number of nodes."""

from __future__ import annotations

from kubelab import Cluster
from kubelab.api.objects import annotations_of
from kubelab.controllers.nodettl import ANNOTATION


def test_a_small_cluster_has_zero_seconds() -> None:
    """Every node gets the annotation."""
    cluster = Cluster(2, dns=False)
    cluster.settle()
    assert [annotations_of(node)[ANNOTATION] for node in cluster.list("Node")] == ["0", "0"]


def test_the_steps_lie_apart() -> None:
    """From the 101st node on it is 15 s; it is 0 again below 90."""
    cluster = Cluster(0, dns=False)
    cluster.apply([
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{number}"}}
        for number in range(101)
    ])  # fmt: skip
    cluster.settle()
    found = {annotations_of(node)[ANNOTATION] for node in cluster.list("Node")}
    assert found == {"15"}
    for number in range(11):
        cluster.delete("Node", f"n{number}")
    cluster.settle()
    assert {annotations_of(node)[ANNOTATION] for node in cluster.list("Node")} == {"15"}
    cluster.delete("Node", "n11")
    cluster.settle()
    assert {annotations_of(node)[ANNOTATION] for node in cluster.list("Node")} == {"0"}
