"""The StatefulSet controller alone: names that last, one after the other."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kubelab.api.objects import freeze, get, name_of
from kubelab.controllers.setpods import revision_hash
from kubelab.controllers.statefulset import StatefulSetController
from tests.controllers.stub import Scene, template

IMAGE = ("spec", "template", "spec", "containers", 0, "image")
# As a real API server keeps the template of the recorded story.
STORED = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "containers": [
            {
                "name": "c", "image": "nginx:1", "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent",
            }
        ],
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst", "securityContext": {}, "schedulerName": "default-scheduler",
    },
}  # fmt: skip


class Sets(Scene):
    """A StatefulSet `db`."""

    def __init__(self, replicas: int = 3, **spec: Any) -> None:
        super().__init__(StatefulSetController)
        self.make({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
            "spec": {
                "replicas": replicas, "serviceName": "db", "template": template(),
                "selector": {"matchLabels": {"app": "web"}}, **spec,
            },
        })  # fmt: skip

    def names(self) -> list[str]:
        return sorted(name_of(pod) for pod in self.list("pods"))

    def images(self) -> dict[str, str]:
        pods = sorted(self.list("pods"), key=name_of)
        return {name_of(pod): pod["spec"]["containers"][0]["image"] for pod in pods}

    @property
    def status(self) -> dict[str, Any]:
        return self.get("statefulsets", "default/db")["status"]  # type: ignore[no-any-return]


def test_pods_come_in_order_each_when_the_one_before_is_ready() -> None:
    """db-0, then db-1, then db-2; with hostname, subdomain and labels of their own."""
    scene = Sets()
    scene.run(2)
    assert scene.names() == ["db-0"]
    scene.ready("default/db-0")
    scene.run(2)
    assert scene.names() == ["db-0", "db-1"]
    scene.settle()
    assert scene.names() == ["db-0", "db-1", "db-2"]
    pod = scene.get("pods", "default/db-1")
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("db-1", "db")
    labels = pod["metadata"]["labels"]
    assert labels["statefulset.kubernetes.io/pod-name"] == "db-1"
    assert labels["apps.kubernetes.io/pod-index"] == "1"
    assert labels["controller-revision-hash"] == scene.status["currentRevision"]
    assert scene.events("db") == [
        f"SuccessfulCreate Create Pod db-{n} in StatefulSet db successful" for n in range(3)
    ]


def test_status_when_all_are_ready() -> None:
    """Numbers and revisions as Kubernetes writes them."""
    scene = Sets()
    scene.settle()
    status = dict(scene.status)
    revision = status.pop("currentRevision")
    assert status == {
        "observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "currentReplicas": 3,
        "updatedReplicas": 3, "updateRevision": revision, "collisionCount": 0,
        "availableReplicas": 3,
    }  # fmt: skip


def test_the_hash_of_a_revision_is_kubernetes_own() -> None:
    """The recorded story's set `db` had the revision db-79c7b7dfff."""
    owner = freeze({"metadata": {"name": "db"}, "spec": {"template": STORED}})
    assert revision_hash(owner, 0) == "79c7b7dfff"


def test_parallel_makes_all_at_once() -> None:
    """podManagementPolicy Parallel does not wait."""
    scene = Sets(podManagementPolicy="Parallel")
    scene.run(1)
    assert scene.names() == ["db-0", "db-1", "db-2"]


def test_scale_down_goes_from_the_highest_one_by_one() -> None:
    """Each deletion waits until the pod before is really gone."""
    scene = Sets()
    scene.settle()
    scene.change("statefulsets", "default/db", ("spec", "replicas"), 1)
    scene.run(2)
    doomed = [name_of(p) for p in scene.list("pods") if p["metadata"].get("deletionTimestamp")]
    assert doomed == ["db-2"]
    scene.settle()
    assert scene.names() == ["db-0"]


def test_a_terminating_pod_holds_its_name() -> None:
    """A pod on a dead node stays Terminating and is not replaced until it is gone."""
    scene = Sets()
    scene.settle()
    scene.server.remove("pods", "default/db-1")
    scene.run(100)
    assert scene.names() == ["db-0", "db-1", "db-2"]
    assert scene.get("pods", "default/db-1")["metadata"]["deletionTimestamp"]
    scene.server.kill("default/db-1")
    scene.run(2)
    assert not scene.get("pods", "default/db-1")["metadata"].get("deletionTimestamp")


def test_a_rolling_update_goes_from_the_highest_down() -> None:
    """One at a time, each waits for its successor to be ready; then the revision is current."""
    scene = Sets()
    scene.settle()
    scene.change("statefulsets", "default/db", IMAGE, "nginx:2")
    scene.settle()
    assert set(scene.images().values()) == {"nginx:2"}
    deleted = [text for text in scene.events("db") if text.startswith("SuccessfulDelete")]
    assert deleted == [
        f"SuccessfulDelete Delete Pod db-{n} in StatefulSet db successful" for n in (2, 1, 0)
    ]
    assert scene.status["currentRevision"] == scene.status["updateRevision"]
    assert scene.status["currentReplicas"] == 3


def test_a_broken_revision_stops_at_the_first_pod() -> None:
    """While db-2 does not become ready, db-1 and db-0 keep the old revision."""
    scene = Sets()
    scene.settle()
    scene.change("statefulsets", "default/db", IMAGE, "broken")
    scene.run(1)
    scene.server.kill("default/db-2")
    scene.run(60)
    assert scene.images() == {"db-0": "nginx:1", "db-1": "nginx:1", "db-2": "broken"}


def test_below_the_partition_pods_keep_the_old_revision() -> None:
    """Partition 2: only db-2 is updated, and db-0 comes back old."""
    rule = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    scene = Sets(updateStrategy=rule)
    scene.settle()
    scene.change("statefulsets", "default/db", IMAGE, "nginx:2")
    scene.settle()
    assert scene.images() == {"db-0": "nginx:1", "db-1": "nginx:1", "db-2": "nginx:2"}
    assert (scene.status["currentReplicas"], scene.status["updatedReplicas"]) == (2, 1)
    scene.server.remove("pods", "default/db-0")
    scene.settle()
    assert scene.images()["db-0"] == "nginx:1"


def test_on_delete_waits_for_the_user() -> None:
    """updateStrategy OnDelete: pods get the new template only when somebody deletes them."""
    scene = Sets(updateStrategy={"type": "OnDelete"})
    scene.settle()
    scene.change("statefulsets", "default/db", IMAGE, "nginx:2")
    scene.settle()
    assert set(scene.images().values()) == {"nginx:1"}
    scene.server.remove("pods", "default/db-1")
    scene.settle()
    assert scene.images() == {"db-0": "nginx:1", "db-1": "nginx:2", "db-2": "nginx:1"}


def test_a_failed_pod_is_made_again_under_its_name() -> None:
    """Failed and succeeded pods are deleted and recreated."""
    scene = Sets(replicas=1)
    scene.settle()
    uid = scene.get("pods", "default/db-0")["metadata"]["uid"]
    scene.change("pods", "default/db-0", ("status", "phase"), "Failed")
    scene.settle()
    assert scene.get("pods", "default/db-0")["metadata"]["uid"] != uid


def test_claims_come_before_the_pod_and_stay() -> None:
    """One claim for each pod and template; scaling down leaves it."""
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    scene = Sets(replicas=2, volumeClaimTemplates=[claim])
    scene.settle()
    names = [name_of(item) for item in scene.list("persistentvolumeclaims")]
    assert names == ["data-db-0", "data-db-1"]
    volume = get(scene.get("pods", "default/db-1"), "spec", "volumes", 0)
    assert volume["persistentVolumeClaim"]["claimName"] == "data-db-1"
    assert scene.events("db")[0] == (
        "SuccessfulCreate Create Claim data-db-0 Pod db-0 in StatefulSet db success"
    )
    scene.change("statefulsets", "default/db", ("spec", "replicas"), 0)
    scene.settle()
    assert scene.names() == []
    assert len(scene.list("persistentvolumeclaims")) == 2


@given(st.lists(st.sampled_from(["ready", "kill", "delete", "scale", "wait"]), max_size=25))
def test_never_two_pods_of_one_name_nor_a_gap(acts: list[str]) -> None:
    """Whatever happens, pods are made only above ready ones, and names stay unique by time."""
    scene = Sets()
    for turn, act in enumerate(acts):
        pods = sorted(scene.list("pods"), key=name_of)
        if act == "scale":
            scene.change("statefulsets", "default/db", ("spec", "replicas"), turn % 4)
        elif pods and act != "wait":
            key = f"default/{name_of(pods[turn % len(pods)])}"
            ending = scene.get("pods", key)["metadata"].get("deletionTimestamp")
            if act == "ready" and not ending:
                scene.ready(key)
            elif act == "kill" and ending:
                scene.server.kill(key)
            elif act == "delete" and not ending:
                scene.server.remove("pods", key)
        before = {pod["metadata"]["uid"] for pod in scene.list("pods")}
        scene.run(1)
        for pod in scene.list("pods"):
            if pod["metadata"]["uid"] not in before:
                ordinal = int(name_of(pod)[3:])
                for lower in range(ordinal):
                    assert get(scene.get("pods", f"default/db-{lower}"), "status", "conditions")


CLAIMS = [{"metadata": {"name": "data"}, "spec": {}}]


def owners(scene: Sets) -> dict[str, list[str]]:
    """The kinds of each claim's owners."""
    return {
        name_of(item): [ref["kind"] for ref in item["metadata"].get("ownerReferences") or ()]
        for item in scene.list("persistentvolumeclaims")
    }


def test_claims_are_owned_as_the_retention_policy_says() -> None:
    """Delete with the set: the set owns them; delete when scaled: the surplus pod does."""
    policy = {"whenDeleted": "Delete", "whenScaled": "Delete"}
    scene = Sets(2, volumeClaimTemplates=CLAIMS, persistentVolumeClaimRetentionPolicy=policy)
    scene.settle()
    assert owners(scene) == {"data-db-0": ["StatefulSet"], "data-db-1": ["StatefulSet"]}
    scene.change("statefulsets", "default/db", ("spec", "replicas"), 1)
    scene.settle()
    assert scene.names() == ["db-0"]
    assert owners(scene) == {"data-db-0": ["StatefulSet"], "data-db-1": ["Pod"]}


def test_claims_are_kept_without_owner_by_default() -> None:
    """Retain: nobody owns the claims, so that nothing deletes them."""
    scene = Sets(2, volumeClaimTemplates=CLAIMS)
    scene.settle()
    scene.change("statefulsets", "default/db", ("spec", "replicas"), 1)
    scene.settle()
    assert owners(scene) == {"data-db-0": [], "data-db-1": []}
