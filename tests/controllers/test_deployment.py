"""The Deployment controller with the ReplicaSet controller: rollouts, step by step."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kubelab.api.objects import get, key_of, name_of
from kubelab.controllers.deployment import DeploymentController
from kubelab.controllers.replicaset import ReplicaSetController
from tests.controllers.stub import Scene, template

IMAGE = ("spec", "template", "spec", "containers", 0, "image")


def deployment(replicas: int = 3, **spec: Any) -> dict[str, Any]:
    body = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": template(),
        "strategy": {
            "type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}
        },
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        **spec,
    }  # fmt: skip
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": body,
    }


def rolling(surge: Any, unavailable: Any) -> dict[str, Any]:
    rule = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {"type": "RollingUpdate", "rollingUpdate": rule}


def start(*, settle: bool = True, **spec: Any) -> Scene:
    scene = Scene(DeploymentController, ReplicaSetController)
    scene.make(deployment(**spec))
    if settle:
        scene.settle()
    return scene


def conditions(scene: Scene) -> dict[str, tuple[str, str, str]]:
    return {
        item["type"]: (item["status"], item["reason"], item["message"])
        for item in scene.get("deployments", "default/web")["status"]["conditions"]
    }


def sizes(scene: Scene) -> list[int]:
    return [item["spec"]["replicas"] for item in scene.list("replicasets")]


def scalings(scene: Scene) -> list[str]:
    """The ScalingReplicaSet events with old and new in place of the names."""
    names = {
        name_of(item): word for item, word in zip(scene.list("replicasets"), "abc", strict=False)
    }
    texts = [text for text in scene.events("web") if text.startswith("Scaling")]
    short = [text.removeprefix("ScalingReplicaSet Scaled ") for text in texts]
    for name, word in names.items():
        short = [text.replace(f"replica set {name}", word) for text in short]
    return short


def test_makes_one_replicaset_named_after_the_template() -> None:
    """The ReplicaSet carries the template's hash in name, label and selector, and revision 1."""
    scene = start()
    (made,) = scene.list("replicasets")
    mark = made["metadata"]["labels"]["pod-template-hash"]
    assert name_of(made) == f"web-{mark}"
    assert made["spec"]["selector"]["matchLabels"]["pod-template-hash"] == mark
    assert made["metadata"]["annotations"] == {
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
        "deployment.kubernetes.io/revision": "1",
    }
    web = scene.get("deployments", "default/web")
    assert web["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "1"}
    assert scene.events("web") == [
        f"ScalingReplicaSet Scaled up replica set {name_of(made)} from 0 to 3"
    ]


def test_status_when_complete() -> None:
    """Numbers and conditions of a Deployment whose pods are all available, in Kubernetes' order."""
    scene = start()
    status = scene.get("deployments", "default/web")["status"]
    assert {name: value for name, value in status.items() if name != "conditions"} == {
        "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3,
        "availableReplicas": 3, "terminatingReplicas": 0,
    }  # fmt: skip
    name = name_of(scene.list("replicasets")[0])
    assert conditions(scene) == {
        "Available": ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        "Progressing": (
            "True", "NewReplicaSetAvailable",
            f'ReplicaSet "{name}" has successfully progressed.',
        ),
    }  # fmt: skip
    assert list(conditions(scene)) == ["Available", "Progressing"]


def test_rolling_update_of_three_goes_one_by_one() -> None:
    """Three replicas, 25 %: surge 1, unavailable 0, so new and old take turns."""
    scene = start()
    scene.change("deployments", "default/web", IMAGE, "nginx:2")
    scene.settle()
    assert scalings(scene)[1:] == [
        "up b from 0 to 1", "down a from 3 to 2", "up b from 1 to 2", "down a from 2 to 1",
        "up b from 2 to 3", "down a from 1 to 0",
    ]  # fmt: skip
    assert sizes(scene) == [0, 3]
    web = scene.get("deployments", "default/web")
    assert web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert conditions(scene)["Progressing"][1] == "NewReplicaSetAvailable"


def test_rolling_update_of_ten_begins_with_three_and_eight() -> None:
    """Ten replicas, 25 %: surge 3, unavailable 2: new 3, old 8, new 5, before any new is ready."""
    scene = start(replicas=10)
    scene.change("deployments", "default/web", IMAGE, "nginx:2")
    scene.run(1)
    assert scalings(scene)[1:] == ["up b from 0 to 3", "down a from 10 to 8", "up b from 3 to 5"]


def test_rolling_back_finds_the_old_replicaset() -> None:
    """The first template again: no new ReplicaSet; the old one gets the next revision."""
    scene = start()
    scene.change("deployments", "default/web", IMAGE, "nginx:2")
    scene.settle()
    scene.change("deployments", "default/web", IMAGE, "nginx:1")
    scene.settle()
    assert sizes(scene) == [3, 0]
    notes = scene.list("replicasets")[0]["metadata"]["annotations"]
    assert notes["deployment.kubernetes.io/revision"] == "3"
    assert notes["deployment.kubernetes.io/revision-history"] == "1"
    web = scene.get("deployments", "default/web")
    assert web["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


def test_scaling_is_no_rollout() -> None:
    """Another number of replicas changes the one ReplicaSet, and makes no other."""
    scene = start()
    scene.change("deployments", "default/web", ("spec", "replicas"), 5)
    scene.settle()
    scene.change("deployments", "default/web", ("spec", "replicas"), 1)
    scene.settle()
    assert scalings(scene) == ["up a from 0 to 3", "up a from 3 to 5", "down a from 5 to 1"]
    notes = scene.list("replicasets")[0]["metadata"]["annotations"]
    assert notes["deployment.kubernetes.io/desired-replicas"] == "1"
    assert notes["deployment.kubernetes.io/max-replicas"] == "2"


def test_recreate_waits_until_old_pods_are_gone() -> None:
    """Recreate: old to 0; nothing new while an old pod is only terminating."""
    scene = start(strategy={"type": "Recreate"})
    scene.change("deployments", "default/web", IMAGE, "nginx:2")
    scene.run(5)
    assert sizes(scene) == [0]
    scene.settle()
    assert sizes(scene) == [0, 3]
    assert scalings(scene) == ["up a from 0 to 3", "down a from 3 to 0", "up b from 0 to 3"]


def test_a_paused_deployment_scales_but_does_not_roll() -> None:
    """Paused: no new ReplicaSet for a new template; resumed: the rollout begins."""
    scene = start()
    scene.change("deployments", "default/web", ("spec", "paused"), True)
    scene.settle()
    assert conditions(scene)["Progressing"] == (
        "Unknown", "DeploymentPaused", "Deployment is paused"
    )  # fmt: skip
    scene.change("deployments", "default/web", IMAGE, "nginx:2")
    scene.change("deployments", "default/web", ("spec", "replicas"), 4)
    scene.settle()
    assert sizes(scene) == [4]
    assert "updatedReplicas" not in scene.get("deployments", "default/web")["status"]
    scene.change("deployments", "default/web", ("spec", "paused"), False)
    scene.settle()
    assert sizes(scene) == [0, 4]


def test_a_rollout_without_progress_times_out() -> None:
    """After progressDeadlineSeconds without progress: Progressing False; nothing rolls back."""
    scene = start(progressDeadlineSeconds=10)
    scene.change("deployments", "default/web", IMAGE, "stuck")
    scene.run(9)
    assert conditions(scene)["Progressing"][1] == "ReplicaSetUpdated"
    scene.run(4)
    name = name_of(scene.list("replicasets")[1])
    assert conditions(scene)["Progressing"] == (
        "False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.'
    )  # fmt: skip
    assert sizes(scene) == [3, 1]


def test_old_replicasets_beyond_the_history_go() -> None:
    """With revisionHistoryLimit 1 only one old ReplicaSet stays."""
    scene = start(revisionHistoryLimit=1)
    for number in range(2, 5):
        scene.change("deployments", "default/web", IMAGE, f"nginx:{number}")
        scene.settle()
    assert sizes(scene) == [0, 3]


def test_another_template_with_the_same_name_counts_a_collision() -> None:
    """If the name is taken by a stranger, collisionCount makes another hash."""
    scene = start()
    taken = name_of(scene.list("replicasets")[0])
    other = Scene(DeploymentController, ReplicaSetController)
    other.make({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": taken},
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"x": "y"}}, "template": template(x="y"),
        },
    })  # fmt: skip
    other.make(deployment())
    other.settle()
    assert other.get("deployments", "default/web")["status"]["collisionCount"] == 1
    assert len(other.list("replicasets")) == 2
    assert len(other.list("pods")) == 3


def test_scaling_in_mid_rollout_is_proportional() -> None:
    """Each ReplicaSet grows by its share; the rest goes to the largest."""
    scene = start(replicas=10, strategy=rolling(3, 2))
    scene.change("deployments", "default/web", IMAGE, "stuck")
    scene.run(1)
    assert sizes(scene) == [8, 5]
    scene.change("deployments", "default/web", ("spec", "replicas"), 15)
    scene.run(1)
    assert sizes(scene) == [11, 7]


@given(
    replicas=st.integers(1, 9), surge=st.integers(0, 4), unavailable=st.integers(0, 4),
    seed=st.integers(0, 3),
)  # fmt: skip
def test_a_rollout_keeps_its_bounds(replicas: int, surge: int, unavailable: int, seed: int) -> None:
    """Never more wished for than replicas + surge, never fewer available than the minimum."""
    if not surge and not unavailable:
        unavailable = 1
    scene = start(replicas=replicas, strategy=rolling(surge, unavailable))
    scene.change("deployments", "default/web", IMAGE, "nginx:2")
    minimum = replicas - min(unavailable, replicas)
    for turn in range(200):
        scene.run(0.05)
        assert sum(sizes(scene)) <= replicas + surge
        pods = [p for p in scene.list("pods") if not p["metadata"].get("deletionTimestamp")]
        ready = [pod for pod in pods if get(pod, "status", "conditions")]
        assert len(ready) >= minimum
        waiting = [pod for pod in scene.list("pods") if pod not in ready]
        if waiting:
            pod = waiting[(turn * 7 + seed) % len(waiting)]
            if pod["metadata"].get("deletionTimestamp"):
                scene.server.kill(key_of(pod))
            else:
                scene.ready(key_of(pod))
        elif sizes(scene) == [0, replicas]:
            break
    assert sizes(scene) == [0, replicas]
