"""The controllers view on a running cluster: turns, sums, a stopped manager."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import views

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
"""


def lane(view: Any, name: str) -> dict[str, Any]:
    """The lane of a loop."""
    found: dict[str, Any] = next(row for row in view.frame["lanes"] if row["name"] == name)
    return found


def test_a_deleted_pod_is_a_gap_of_one(cluster: Any) -> None:
    """The ReplicaSet's next turn reads 3 − 2 = 1 and creates one."""
    pod = next(p for p in cluster.moment().list("Pod", "default"))
    view = views.controllers(cluster, "replicaset")
    cluster.delete("Pod", pod["metadata"]["name"])
    view.now().step()
    row = lane(view, "replicaset")
    assert (row["sum"], row["act"]) == ("3 − 2 = 1", "create 1")
    assert row["event"] == view.cursor.focus
    assert "ReplicaSet controller creates" in view.state()["head"]["sentence"]["text"]


def test_a_stopped_manager_leaves_the_gap_open(cluster: Any) -> None:
    """Hollow lanes, and the view counts wish 5, pods 3; after the start the gap closes."""
    cluster.faults.stop("controller-manager")
    name = cluster.moment().list("ReplicaSet", "default")[0]["metadata"]["name"]
    cluster.request(
        "PATCH", f"/apis/apps/v1/namespaces/default/replicasets/{name}",
        {"spec": {"replicas": 5}}, {"Content-Type": "application/merge-patch+json"},
    )  # fmt: skip
    view = views.controllers(cluster)
    gaps = [(row["wish"], row["seen"]) for row in view.frame["gaps"]]
    assert view.frame["stopped"] and gaps == [(5, 3)]
    assert "The controller manager is stopped." in view.state()["words"].alt
    states = {p.state for p in view.picture().pieces if p.kind == "loop"}
    assert states == {"stopped"}
    cluster.faults.start("controller-manager")
    cluster.settle()
    assert view.now().frame["gaps"] == [] and not view.frame["stopped"]


def test_by_message_shows_turns_that_find_nothing_to_do(cluster: Any) -> None:
    """There are more turns than acts."""
    every = views.controllers(cluster, by="message").stops.ids
    acting = views.controllers(cluster).stops.ids
    assert set(acting) < set(every)


def test_back_shows_the_same_drawing_again(cluster: Any) -> None:
    """Forth and back ends in the same picture."""
    view = views.controllers(cluster).first()
    here = view.picture().svg()
    assert view.step(3).back(3).picture().svg() == here


def test_an_unknown_controller_is_refused(cluster: Any) -> None:
    """The message lists those that there are."""
    with pytest.raises(ValueError, match="replicaset"):
        views.controllers(cluster, "replicasets")
