"""The owners view draws who owns and who selects, and shows where labels do not match."""

from __future__ import annotations

from typing import Any

from kubelab import Cluster, views


def web(replicas: int = 3, selector: str = "web") -> list[dict[str, Any]]:
    """A Deployment and a Service; with another selector the Service finds nothing."""
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "nginx"}]}}  # fmt: skip
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
         "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                  "template": template}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
         "spec": {"selector": {"app": selector}, "ports": [{"port": 80}]}},
    ]  # fmt: skip


def made(**options: Any) -> Cluster:
    """A settled cluster with them."""
    cluster = Cluster(nodes=2, dns=False)
    cluster.apply(web(**options))
    cluster.settle()
    return cluster


def test_a_deployment_owns_a_replica_set_that_owns_pods() -> None:
    """The tree has three levels with counts, and the Service selects the pods."""
    frame = views.owners(made()).frame
    deployment = next(row for row in frame["trees"] if row["kind"] == "Deployment")
    (replica_set,) = deployment["children"]
    assert (deployment["word"], replica_set["kind"]) == ("3 of 3 ready", "ReplicaSet")
    assert [pod["kind"] for pod in replica_set["children"]] == ["Pod"] * 3
    service = next(row for row in frame["services"] if row["short"] == "web")
    assert len(service["fits"]) == 3
    assert service["ready"] == 3


def test_a_typo_in_a_selector_is_shown_beside_the_nearest_labels() -> None:
    """A Service that selects nothing names the pod that is nearest, and the part that differs."""
    view = views.owners(made(selector="wbe"))
    (service,) = (row for row in view.frame["services"] if row["short"] == "web")
    assert service["fits"] == []
    assert service["selector"] == [["app=wbe", False]]
    assert service["near_labels"] == [["app=web", False]]
    assert "selects no pod" in view.state()["head"]["alt"]


def test_siblings_fold() -> None:
    """Of many pods a few are drawn; the others are counted."""
    view = views.owners(made(replicas=20))
    picture = view.picture()
    assert sum(piece.kind == "Pod" for piece in picture.pieces) == 5
    assert "15 more, 0 differ" in picture.svg()


def test_every_step_makes_or_cuts_a_link_and_back_is_exact() -> None:
    """Each stop of the default rung is an act, or an object that comes or goes."""
    cluster = made()
    view = views.owners(cluster).first()
    drawn = [view.picture().svg()]
    drawn += [view.step().picture().svg() for _ in range(6)]
    for before in reversed(drawn[:-1]):
        assert view.back().picture().svg() == before
