"""Probes: when they ask, what they say, what follows."""

from __future__ import annotations

from typing import Any

from tests.kubelet.stub import Lab


def app(env: dict[str, object] | None = None, **more: Any) -> dict[str, Any]:
    """The lab's HTTP server."""
    rows = [{"name": name, "value": str(value)} for name, value in (env or {}).items()]
    return {"name": "app", "image": "kubelab/http:1", "env": rows, **more}


HEALTHZ = {"httpGet": {"path": "/healthz", "port": 8080}}


def test_a_liveness_probe_that_never_succeeds_kills_at_30_s() -> None:
    """Ticks count from the pod's first sync: with defaults the kill comes at 10, 20, 30 s."""
    lab = Lab()
    lab.pod(app({"FAIL_AFTER": 0}, livenessProbe=HEALTHZ))
    lab.run(65)
    text = "Liveness probe failed: HTTP probe failed with statuscode: 500"
    assert lab.happened("Unhealthy")[:3] == [
        (t, "Unhealthy", text) for t in (10.002, 20.002, 30.002)
    ]
    killed = [(t, message) for t, _, message in lab.happened("Killing")]
    message = "Container app failed liveness probe, will be restarted"
    assert killed == [(30.002, message), (60.002, message)]
    assert lab.states()[1:] == [
        (2.516, "Running 0 ready"), (30.21, "Running 1 ready"), (60.21, "Running 2 ready"),
    ]  # fmt: skip


def test_a_healthy_pod_is_ready_at_once() -> None:
    """The first status with a running container asks the readiness probe at once."""
    lab = Lab()
    lab.pod(app(readinessProbe=HEALTHZ))
    lab.run(20)
    assert lab.states()[1:] == [(2.516, "Running 0"), (2.518, "Running 0 ready")]


def test_an_initial_delay_costs_a_whole_period() -> None:
    """With initialDelaySeconds 5 and a period of 10 s a pod is ready 10 s after its start."""
    lab = Lab()
    lab.pod(app(readinessProbe={**HEALTHZ, "initialDelaySeconds": 5}))
    lab.run(20)
    assert lab.states()[-1] == (12.516, "Running 0 ready")


def test_readiness_leaves_the_container_alone() -> None:
    """A failing readiness probe makes the pod not Ready after its threshold, and ready again."""
    lab = Lab()
    env = {"FAIL_AFTER": 15, "RECOVER_AFTER": 60}
    lab.pod(app(env, readinessProbe={**HEALTHZ, "periodSeconds": 5}))
    lab.run(90)
    assert [state for _, state in lab.states()[1:]] == [
        "Running 0", "Running 0 ready", "Running 0", "Running 0 ready",
    ]  # fmt: skip
    assert lab.happened("Killing") == []
    assert len(lab.happened("Unhealthy")) == 9


def test_a_startup_probe_holds_the_others_back() -> None:
    """Until the startup probe succeeds neither liveness nor readiness are asked."""
    lab = Lab()
    startup = {"tcpSocket": {"port": 8080}, "periodSeconds": 5, "failureThreshold": 10}
    lab.pod(
        app(
            {"START_DELAY": 25}, startupProbe=startup, readinessProbe=HEALTHZ, livenessProbe=HEALTHZ
        )
    )
    lab.run(60)
    text = "Startup probe failed: dial tcp 10.244.1.2:8080: connect: connection refused"
    assert [message for _, _, message in lab.happened("Unhealthy")] == [text] * 5
    assert lab.states()[-1] == (30.004, "Running 0 ready")


def test_a_failed_startup_probe_restarts() -> None:
    """A startup probe that reaches its threshold kills the container."""
    lab = Lab()
    startup = {"httpGet": {"path": "/no", "port": 8080}, "periodSeconds": 2, "failureThreshold": 2}
    lab.pod(app(startupProbe=startup))
    lab.run(7)
    message = "Container app failed startup probe, will be restarted"
    assert lab.happened("Killing") == [(6.002, "Killing", message)]


def test_exec_probes_run_in_the_container() -> None:
    """The command's output is the message; one that takes too long has failed."""
    lab = Lab()
    script = "touch /tmp/healthy; sleep 20; rm /tmp/healthy; sleep 600"
    lab.pod(
        {
            "name": "app", "image": "busybox:1", "command": ["sh", "-c", script],
            "livenessProbe": {"exec": {"command": ["cat", "/tmp/healthy"]}, "periodSeconds": 5},
            "readinessProbe": {"exec": {"command": ["sleep", "3"]}},
        }
    )  # fmt: skip
    lab.run(36)
    messages = [(t, message) for t, _, message in lab.happened("Unhealthy")]
    missing = "Liveness probe failed: cat: can't open '/tmp/healthy': No such file or directory"
    assert [t for t, message in messages if message == missing] == [25.004, 30.004, 35.004]
    slow = 'Readiness probe failed: command timed out: "sleep 3" timed out after 1s'
    assert (3.516, slow) in messages
    assert lab.happened("Killing")[0][0] == 35.004


def test_a_pod_that_never_restarts_is_stopped_as_a_whole() -> None:
    """Under restartPolicy Never the last container's failed liveness probe ends the pod."""
    lab = Lab()
    lab.pod(app({"FAIL_AFTER": 0}, livenessProbe=HEALTHZ), restartPolicy="Never")
    lab.run(60)
    assert lab.happened("Killing") == [(30.002, "Killing", "Stopping container app")]
    assert lab.status()["phase"] == "Succeeded"
