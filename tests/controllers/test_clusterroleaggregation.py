"""The aggregation of ClusterRoles alone."""

from __future__ import annotations

from typing import Any

from kubelab.controllers.clusterroleaggregation import ClusterRoleAggregationController
from tests.controllers.stub import Scene


def role(name: str, rules: list[Any] | None, labels: dict[str, str], **more: Any) -> dict[str, Any]:
    """A ClusterRole."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels}, "rules": rules, **more,
    }  # fmt: skip


def rule(resource: str) -> dict[str, Any]:
    """A rule that lets a resource be read."""
    return {"apiGroups": [""], "resources": [resource], "verbs": ["get"]}


def test_an_aggregated_role_has_the_rules_of_those_it_selects_in_the_order_of_their_names() -> None:
    """Rules come from the selected roles by name, each once; a later role is added to them."""
    scene = Scene(ClusterRoleAggregationController)
    asked = {"clusterRoleSelectors": [{"matchLabels": {"to": "view"}}]}
    scene.make(role("view", None, {"to": "view"}, aggregationRule=asked))
    scene.make(role("b", [rule("pods"), rule("nodes")], {"to": "view"}))
    scene.make(role("a", [rule("services"), rule("pods")], {"to": "view"}))
    scene.make(role("c", [rule("secrets")], {"to": "edit"}))
    scene.run(1)
    held = scene.get("clusterroles", "view")["rules"]
    assert [item["resources"][0] for item in held] == ["services", "pods", "nodes"]
    scene.make(role("d", [rule("events")], {"to": "view"}))
    scene.run(1)
    held = scene.get("clusterroles", "view")["rules"]
    assert [item["resources"][0] for item in held] == ["services", "pods", "nodes", "events"]
