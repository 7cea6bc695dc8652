"""The disruption controller alone: how many pods may be evicted."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import key_of
from kubelab.controllers.deployment import DeploymentController
from kubelab.controllers.disruption import DisruptionController
from kubelab.controllers.replicaset import ReplicaSetController
from tests.controllers.stub import Scene
from tests.controllers.test_deployment import deployment


class Budgets(Scene):
    """A Deployment `web` and a budget `b` over its pods."""

    def __init__(self, replicas: int, **spec: Any) -> None:
        super().__init__(DeploymentController, ReplicaSetController, DisruptionController)
        self.make(deployment(replicas))
        self.make({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
        })  # fmt: skip
        self.settle()

    def numbers(self) -> tuple[int, int, int, int]:
        status = self.get("poddisruptionbudgets", "default/b")["status"]
        names = ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")
        return tuple(status[name] for name in names)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("replicas", "spec", "wanted"),
    [
        (2, {"minAvailable": 2}, (2, 2, 2, 0)),
        (2, {"minAvailable": 1}, (2, 1, 2, 1)),
        (2, {"maxUnavailable": "50%"}, (2, 1, 2, 1)),
        (3, {"maxUnavailable": "50%"}, (3, 1, 3, 2)),
        (3, {"minAvailable": "50%"}, (3, 2, 3, 1)),
        (3, {"maxUnavailable": 0}, (3, 3, 3, 0)),
    ],
)
def test_what_a_budget_allows(replicas: int, spec: dict[str, Any], wanted: tuple[int, ...]) -> None:
    """Numbers as they are, percentages rounded up; what is over the wish may go."""
    assert Budgets(replicas, **spec).numbers() == wanted


def test_the_condition_names_the_reason() -> None:
    """DisruptionAllowed: SufficientPods or InsufficientPods."""
    scene = Budgets(2, minAvailable=2)
    (condition,) = scene.get("poddisruptionbudgets", "default/b")["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "InsufficientPods")
    scene.change("poddisruptionbudgets", "default/b", ("spec", "minAvailable"), 1)
    scene.settle()
    (condition,) = scene.get("poddisruptionbudgets", "default/b")["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("True", "SufficientPods")


def test_a_terminating_pod_is_not_healthy() -> None:
    """Its place is spent until another is ready."""
    scene = Budgets(2, minAvailable=1)
    scene.server.remove("pods", key_of(scene.list("pods")[0]))
    scene.run(0.5)
    assert scene.numbers()[2:] == (1, 0)
    scene.settle()
    assert scene.numbers()[2:] == (2, 1)


def test_a_granted_eviction_counts_before_its_deletion_is_seen() -> None:
    """disruptedPods holds the allowance, and is forgotten after two minutes."""
    scene = Budgets(2, minAvailable=1)
    name = scene.list("pods")[0]["metadata"]["name"]
    path = ("status", "disruptedPods")
    scene.change("poddisruptionbudgets", "default/b", path, {name: scene.server.timestamp})
    scene.run(1)
    assert scene.numbers()[2:] == (1, 0)
    scene.run(130)
    assert scene.numbers()[2:] == (2, 1)
    assert "disruptedPods" not in scene.get("poddisruptionbudgets", "default/b")["status"]
