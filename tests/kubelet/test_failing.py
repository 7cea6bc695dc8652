"""What becomes of containers that fail: back-off of restarts and pulls, exit codes, reasons."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from kubelab.kubelet.backoff import Backoff, duration
from kubelab.sim.kernel import SECOND
from tests.kubelet.stub import Lab


def app(image: str, **more: Any) -> dict[str, Any]:
    """A container called app."""
    return {"name": "app", "image": image, **more}


def variables(**values: object) -> list[dict[str, str]]:
    """Environment variables."""
    return [{"name": name, "value": str(value)} for name, value in values.items()]


def test_a_crash_loop_backs_off() -> None:
    """The first restart is immediate, the next wait 10, 20, 40, 80 s from the exit before."""
    lab = Lab()
    lab.pod(app("kubelab/crash:1"))
    lab.run(200)
    starts = [seconds for seconds, reason, _ in lab.happened("Started")]
    assert starts == [2.516, 3.207, 13.312, 33.417, 73.522, 153.627]
    assert lab.states()[:6] == [
        (0.002, "ContainerCreating 0"), (2.516, "Error 0"), (3.207, "Error 1"),
        (5.001, "CrashLoopBackOff 1"), (13.312, "Error 2"), (15.001, "CrashLoopBackOff 2"),
    ]  # fmt: skip
    assert lab.phases() == [(0.002, "Pending"), (2.516, "Running")]
    text = "Back-off restarting failed container app in pod web_default(uid-web)"
    assert lab.happened("BackOff")[0] == (4.001, "BackOff", text)
    container = lab.status()["containerStatuses"][0]
    assert container["state"]["waiting"] == {
        "reason": "CrashLoopBackOff",
        "message": "back-off 2m40s restarting failed container=app pod=web_default(uid-web)",
    }
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert container["restartCount"] == 5


def test_a_long_run_resets_the_back_off() -> None:
    """An exit more than 10 minutes after the last restart is restarted at once again."""
    lab = Lab()
    lab.pod(app("kubelab/crash:1", env=variables(CRASH_AFTER=700)))
    lab.run(2200)
    starts = [seconds for seconds, _, _ in lab.happened("Started")]
    assert [round(after - before) for before, after in pairwise(starts)] == [
        701, 701, 701,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "code", "phase", "restarts"),
    [("Never", 0, "Succeeded", 0), ("Never", 3, "Failed", 0), ("OnFailure", 0, "Succeeded", 0)],
)
def test_restart_policies(policy: str, code: int, phase: str, restarts: int) -> None:
    """Never restarts nothing, OnFailure only what failed; the phase follows from the exit codes."""
    lab = Lab()
    lab.pod(app("kubelab/job:1", env=variables(EXIT_CODE=code)), restartPolicy=policy)
    lab.run(60)
    assert lab.status()["phase"] == phase
    assert lab.status()["containerStatuses"][0]["restartCount"] == restarts


def test_on_failure_restarts_until_it_succeeds() -> None:
    """A job that fails twice succeeds at its third run, in the same pod."""
    lab = Lab()
    lab.pod(app("kubelab/job:1", env=variables(FAIL_TIMES=2)), restartPolicy="OnFailure")
    lab.run(60)
    assert lab.states()[-1] == (17.001, "Completed 2")
    rows = {row["type"]: row for row in lab.status()["conditions"]}
    assert (rows["Ready"]["status"], rows["Ready"]["reason"]) == ("False", "PodCompleted")
    assert rows["Initialized"]["reason"] == "PodCompleted"


def test_an_image_that_cannot_be_pulled() -> None:
    """ErrImagePull, a second later ImagePullBackOff; retries 10, 20, 40 s after the failure."""
    lab = Lab()
    lab.pod(app("example.com/nosuch:1"))
    lab.run(80)
    assert lab.states() == [
        (0.002, "ContainerCreating 0"),
        (0.51, "ErrImagePull 0"), (1.512, "ImagePullBackOff 0"),
        (10.714, "ErrImagePull 0"), (11.716, "ImagePullBackOff 0"),
        (30.918, "ErrImagePull 0"), (31.92, "ImagePullBackOff 0"),
        (71.122, "ErrImagePull 0"), (72.124, "ImagePullBackOff 0"),
    ]  # fmt: skip
    error = (
        'failed to pull and unpack image "example.com/nosuch:1": failed to resolve image: pull '
        "access denied, repository does not exist or may require authorization: server message: "
        "insufficient_scope: authorization failed"
    )
    assert lab.happened()[:5] == [
        (0.308, "Pulling", 'Pulling image "example.com/nosuch:1"'),
        (0.51, "Failed", f'Failed to pull image "example.com/nosuch:1": {error}'),
        (0.51, "Failed", "Error: ErrImagePull"),
        (1.512, "BackOff", 'Back-off pulling image "example.com/nosuch:1"'),
        (1.512, "Failed", "Error: ImagePullBackOff"),
    ]
    message = lab.status()["containerStatuses"][0]["state"]["waiting"]["message"]
    assert message == f'Back-off pulling image "example.com/nosuch:1": ErrImagePull: {error}'


@pytest.mark.parametrize(
    ("image", "policy", "reason", "event"),
    [
        ("x:1", "Never", "ErrImageNeverPull", "ErrImageNeverPull"),
        ("BAD:1", "Always", "InvalidImageName", "InspectFailed"),
        ("nginx:missing", "Always", "ErrImagePull", "Failed"),
    ],
)
def test_other_ways_to_have_no_image(image: str, policy: str, reason: str, event: str) -> None:
    """Each way to have no image has its own waiting reason and Event."""
    lab = Lab()
    lab.pod(app(image, imagePullPolicy=policy))
    lab.run(1)
    assert lab.status()["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
    assert event in [seen for _, seen, _ in lab.happened()]


def test_a_corrected_image_starts_in_the_same_pod() -> None:
    """An image that is corrected during the back-off is pulled at once, in the same sandbox."""
    lab = Lab()
    path = lab.pod(app("nosuch:1"))
    lab.run(5)
    pod = lab.api.objects[path]
    lab.api.put(path, {**pod, "spec": {**pod["spec"], "containers": [app("nginx:1")]}})
    lab.run(5)
    assert lab.status()["phase"] == "Running"
    assert len(lab.runtime.sandboxes) == 1


def test_a_command_that_does_not_exist() -> None:
    """The container never starts: RunContainerError, exit code 128, StartError."""
    lab = Lab()
    lab.pod(app("busybox:1", command=["nope"]))
    lab.run(12)
    container = lab.status()["containerStatuses"][0]
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    ended = container["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert 'exec: "nope": executable file not found in $PATH' in ended["message"]
    assert (2.516, "RunContainerError 0") in lab.states()


def test_too_much_memory_is_killed() -> None:
    """A container above its memory limit is killed after a second, with 137 and OOMKilled."""
    lab = Lab()
    limits = {"limits": {"memory": "50Mi"}}
    lab.pod(app("kubelab/sleep:1", env=variables(MEMORY="100Mi"), resources=limits))
    lab.at(4.1)
    ended = lab.status()["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")


def test_a_termination_message() -> None:
    """What a container wrote to /dev/termination-log is told, or with that policy its log's end."""
    lab = Lab()
    script = "echo why > /dev/termination-log; exit 3"
    lab.pod(app("busybox:1", command=["sh", "-c", script]), restartPolicy="Never")
    lab.run(9)
    assert lab.status()["containerStatuses"][0]["state"]["terminated"]["message"] == "why\n"
    lab = Lab()
    lab.pod(
        app(
            "busybox:1", command=["sh", "-c", "echo tail; exit 3"],
            terminationMessagePolicy="FallbackToLogsOnError",
        ),
        restartPolicy="Never",
    )  # fmt: skip
    lab.run(9)
    assert lab.status()["containerStatuses"][0]["state"]["terminated"]["message"] == "tail"


def test_a_failing_post_start_hook() -> None:
    """A container whose postStart hook fails is killed and backs off as if it had crashed."""
    lab = Lab()
    hook = {"postStart": {"exec": {"command": ["false"]}}}
    lab.pod(app("nginx:1", lifecycle=hook))
    lab.run(12)
    assert lab.happened("FailedPostStartHook")[0][2] == "PostStartHook failed"
    assert [state for _, state in lab.states()][:4] == [
        "ContainerCreating 0", "PostStartHookError 0", "PostStartHookError 1", "CrashLoopBackOff 1",
    ]  # fmt: skip


def test_back_off_by_itself() -> None:
    """Waits double up to the limit, and are forgotten twice the limit after the last change."""
    backoff = Backoff()
    seen = []
    for _ in range(7):
        backoff.bump("a", 0, 0)
        seen.append(backoff.wait_seconds("a"))
    assert seen == [10, 20, 40, 80, 160, 300, 300]
    assert backoff.remaining_ns("a", 0, 100 * SECOND) == 200 * SECOND
    assert backoff.remaining_ns("a", 601 * SECOND, 602 * SECOND) == 0
    assert [duration(n) for n in (10, 80, 160, 300, 3700)] == [
        "10s", "1m20s", "2m40s", "5m0s", "1h1m40s",
    ]  # fmt: skip
