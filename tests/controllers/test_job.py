"""The Job controller alone: pods that are to end."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import get, key_of, name_of
from kubelab.controllers.job import JobController
from kubelab.controllers.jobrules import parse_indexes, write_indexes
from kubelab.controllers.ttlafterfinished import TTLAfterFinishedController
from tests.controllers.stub import Scene, template


class Jobs(Scene):
    """A Job `j`, whose pods end as the test says."""

    def __init__(self, **spec: Any) -> None:
        super().__init__(JobController, TTLAfterFinishedController)
        pods = template()
        pods["spec"]["restartPolicy"] = spec.pop("restartPolicy", "Never")
        body = {"template": pods, "backoffLimit": 6, "parallelism": 1, **spec}
        if "parallelism" not in spec:
            body.setdefault("completions", 1)
        self.make({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": body,
        })  # fmt: skip
        self.run(0.5)

    @property
    def status(self) -> dict[str, Any]:
        return self.get("jobs", "default/j")["status"]  # type: ignore[no-any-return]

    def conditions(self) -> list[tuple[str, str]]:
        held = self.status.get("conditions", ())
        return [(item["type"], item["reason"]) for item in held if item["status"] == "True"]

    def running(self) -> list[str]:
        return [
            key_of(pod)
            for pod in self.list("pods")
            if get(pod, "status", "phase", default="Pending") not in ("Succeeded", "Failed")
            and not pod["metadata"].get("deletionTimestamp")
        ]

    def end(self, key: str, code: int = 0) -> None:
        """A pod's container exits."""
        status = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [
                {
                    "name": "c", "restartCount": 0,
                    "state": {
                        "terminated": {"exitCode": code, "finishedAt": self.server.timestamp}
                    },
                }
            ],
        }  # fmt: skip
        self.change("pods", key, ("status",), status)

    def end_all(self, code: int = 0) -> None:
        for key in self.running():
            self.end(key, code)
        self.run(3)


def test_three_completions_two_at_a_time() -> None:
    """Never more than two run; three succeed; both conditions and the Event are Kubernetes'."""
    scene = Jobs(completions=3, parallelism=2)
    assert len(scene.running()) == 2
    scene.end(scene.running()[0])
    scene.run(3)
    assert len(scene.running()) == 2
    scene.end_all()
    reason = "CompletionsReached"
    assert scene.conditions() == [("SuccessCriteriaMet", reason), ("Complete", reason)]
    status = dict(scene.status)
    for name in ("conditions", "startTime", "completionTime"):
        assert status.pop(name)
    assert status == {
        "succeeded": 3, "terminating": 0, "ready": 0, "uncountedTerminatedPods": {},
    }  # fmt: skip
    assert scene.events("j")[-1] == "Completed Job completed"
    assert not any(pod["metadata"].get("finalizers") for pod in scene.list("pods"))


def test_a_pod_is_counted_once_though_the_controller_stops_in_between() -> None:
    """UID noted, finalizer taken, count raised: a restart between any two does no harm."""
    for stop in range(12):
        scene = Jobs(completions=4, parallelism=4)
        for key in scene.running():
            scene.end(key)
        scene.run(1)
        for _ in range(stop):
            scene.world.step()
        scene.world.halt("controller-manager")
        scene.world.begin("controller-manager")
        scene.run(5)
        assert scene.status["succeeded"] == 4
        assert len(scene.list("pods")) == 4
        assert scene.conditions()[-1][0] == "Complete"


def test_failures_are_retried_with_growing_pauses() -> None:
    """backoffLimit 2: three pods, the second after 10 s, the third 20 s after the next failure."""
    scene = Jobs(backoffLimit=2)
    scene.end_all(1)
    scene.run(5)
    assert len(scene.list("pods")) == 1
    scene.run(4)
    assert len(scene.list("pods")) == 2
    scene.end_all(1)
    scene.run(15)
    assert len(scene.list("pods")) == 2
    scene.run(5)
    assert len(scene.list("pods")) == 3
    scene.end_all(1)
    scene.run(60)
    assert len(scene.list("pods")) == 3
    reason = "BackoffLimitExceeded"
    assert scene.conditions() == [("FailureTarget", reason), ("Failed", reason)]
    assert scene.status["failed"] == 3
    assert scene.events("j")[-1] == f"{reason} Job has reached the specified backoff limit"


def test_the_deadline_ends_a_job_and_its_pods() -> None:
    """activeDeadlineSeconds: the pod is deleted and counts as failed."""
    scene = Jobs(activeDeadlineSeconds=10)
    (key,) = scene.running()
    scene.ready(key)
    scene.run(9)
    assert scene.conditions() == []
    scene.run(3)
    assert scene.conditions() == [("FailureTarget", "DeadlineExceeded")]
    assert scene.get("pods", key)["metadata"]["deletionTimestamp"]
    scene.server.kill(key)
    scene.run(3)
    assert scene.conditions()[-1] == ("Failed", "DeadlineExceeded")
    assert scene.status["failed"] == 1
    events = [text.split()[0] for text in scene.events("j")]
    assert events == ["SuccessfulCreate", "SuccessfulDelete", "DeadlineExceeded"]


def test_a_suspended_job_has_no_pods_until_it_is_resumed() -> None:
    """Condition Suspended, no startTime; resumed it runs to its end."""
    scene = Jobs(suspend=True)
    assert scene.list("pods") == []
    assert scene.conditions() == [("Suspended", "JobSuspended")]
    assert "startTime" not in scene.status
    scene.change("jobs", "default/j", ("spec", "suspend"), False)
    scene.run(1)
    scene.end_all()
    assert [type_ for type_, _ in scene.conditions()] == ["SuccessCriteriaMet", "Complete"]
    assert [text.split()[0] for text in scene.events("j")] == [
        "Suspended", "Resumed", "SuccessfulCreate", "Completed"
    ]  # fmt: skip


def test_suspending_deletes_the_pods_that_run() -> None:
    """They do not count as failures that matter: the Job goes on later."""
    scene = Jobs()
    scene.change("jobs", "default/j", ("spec", "suspend"), True)
    scene.run(3)
    assert scene.running() == []


def test_an_indexed_job_gives_each_pod_its_number() -> None:
    """Name, hostname, label and variable carry the index; each index succeeds once."""
    scene = Jobs(completions=3, parallelism=3, completionMode="Indexed")
    pods = scene.list("pods")
    assert sorted(pod["metadata"]["generateName"] for pod in pods) == ["j-0-", "j-1-", "j-2-"]
    assert [pod["spec"]["hostname"] for pod in pods] == ["j-0", "j-1", "j-2"]
    assert pods[1]["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    scene.end(key_of(pods[1]), 1)
    scene.end(key_of(pods[0]))
    scene.run(20)
    assert scene.status["completedIndexes"] == "0"
    again = [pod for pod in scene.list("pods") if name_of(pod).startswith("j-1-")]
    assert len(again) == 2
    scene.end_all()
    assert scene.status["completedIndexes"] == "0-2"
    assert scene.conditions()[-1][0] == "Complete"


def test_a_limit_per_index_fails_single_indexes() -> None:
    """backoffLimitPerIndex 0: a failed index is lost; above maxFailedIndexes the Job is."""
    scene = Jobs(
        completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=0,
        maxFailedIndexes=1,
    )  # fmt: skip
    scene.end_all(1)
    scene.run(3)
    assert scene.status["failedIndexes"] == "0,1"
    assert scene.conditions()[-1] == ("Failed", "MaxFailedIndexesExceeded")


def rule(action: str, **on: Any) -> dict[str, Any]:
    return {"rules": [{"action": action, **on}]}


def test_a_failure_policy_can_end_a_job() -> None:
    """FailJob on exit code 42, with Kubernetes' message."""
    codes = {"operator": "In", "values": [42]}
    scene = Jobs(podFailurePolicy=rule("FailJob", onExitCodes=codes))
    (key,) = scene.running()
    scene.end_all(42)
    assert scene.conditions()[-1] == ("Failed", "PodFailurePolicy")
    text = scene.status["conditions"][-1]["message"]
    assert text == (
        f"Container c for pod {key} failed with exit code 42 matching FailJob rule at index 0"
    )


def test_a_failure_policy_can_ignore_a_failure() -> None:
    """Ignore: the pod is replaced at once, and does not count."""
    codes = {"operator": "In", "values": [42]}
    scene = Jobs(podFailurePolicy=rule("Ignore", onExitCodes=codes), backoffLimit=0)
    scene.end_all(42)
    assert scene.conditions() == []
    assert "failed" not in scene.status
    scene.end_all()
    assert scene.conditions()[-1][0] == "Complete"


def test_restarts_in_place_count_as_failures() -> None:
    """restartPolicy OnFailure: as many restarts as the limit end the Job and delete the pod."""
    scene = Jobs(restartPolicy="OnFailure", backoffLimit=2)
    (key,) = scene.running()
    scene.ready(key)
    rows = [{"name": "c", "restartCount": 2, "state": {"running": {}}}]
    scene.change("pods", key, ("status", "containerStatuses"), rows)
    scene.change("pods", key, ("status", "conditions"), [])
    scene.run(3)
    assert scene.conditions() == [("FailureTarget", "BackoffLimitExceeded")]
    assert scene.get("pods", key)["metadata"]["deletionTimestamp"]


def test_a_finished_job_is_deleted_after_its_time_to_live() -> None:
    """ttlSecondsAfterFinished 30: there after 25 s, gone after 35."""
    scene = Jobs(ttlSecondsAfterFinished=30)
    scene.end_all()
    scene.run(22)
    assert not scene.get("jobs", "default/j")["metadata"].get("deletionTimestamp")
    scene.run(10)
    assert scene.get("jobs", "default/j")["metadata"]["deletionTimestamp"]


@pytest.mark.parametrize("text", ["", "0", "0,1", "0-2", "0-2,4", "1,3,5-9"])
def test_indexes_are_written_as_kubernetes_does(text: str) -> None:
    """Two in a row by comma, three or more as a range; reading is the inverse."""
    assert write_indexes(parse_indexes(text)) == text


def test_a_job_that_is_managed_elsewhere_is_left_alone() -> None:
    """spec.managedBy of another name: no pod, no status."""
    scene = Jobs(managedBy="example.com/other")
    scene.run(5)
    assert scene.list("pods") == []
    assert "status" not in scene.get("jobs", "default/j")


def test_a_success_policy_ends_a_job_early() -> None:
    """When the named index has succeeded the Job is complete; the others' pods are deleted."""
    rules = {"rules": [{"succeededIndexes": "0", "succeededCount": 1}]}
    scene = Jobs(completionMode="Indexed", completions=3, parallelism=3, successPolicy=rules)
    first = next(
        pod for pod in scene.list("pods")
        if pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] == "0"
    )  # fmt: skip
    scene.change("pods", key_of(first), ("status",), {"phase": "Succeeded"})
    scene.run(5)
    assert scene.conditions()[0] == ("SuccessCriteriaMet", "SuccessPolicy")
    held = scene.status["conditions"][0]
    assert held["message"] == "Matched rules at index 0"


def test_restarts_in_place_use_up_the_backoff_limit() -> None:
    """OnFailure: when the containers have restarted as often as the limit says, the Job fails."""
    scene = Jobs(restartPolicy="OnFailure", backoffLimit=2)
    key = key_of(scene.list("pods")[0])
    scene.ready(key, ready=False)
    for count, over in ((1, False), (2, True)):
        status = scene.get("pods", key)["status"]
        counted = {**status, "containerStatuses": [{"name": "c", "restartCount": count}]}
        scene.change("pods", key, ("status",), counted)
        scene.run(3)
        assert bool(scene.conditions()) is over
    assert scene.conditions()[0] == ("FailureTarget", "BackoffLimitExceeded")
