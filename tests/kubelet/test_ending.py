"""How a pod goes down: signals, hooks, grace, order, and the last requests."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.sim.kernel import SECOND, parse_timestamp
from tests.kubelet.stub import Lab

STUBBORN = {"name": "app", "image": "busybox:1", "command": ["sleep", "3600"]}
NGINX = {"name": "app", "image": "nginx:1"}


def gone_after(lab: Lab, path: str, grace: int) -> float:
    """Deletes a pod of 20 seconds; returns when its object was gone."""
    lab.at(20)
    lab.begin = lab.world.now
    lab.delete(path, grace)
    lab.run(60)
    return lab.phases()[-1][0]


def test_a_program_with_a_handler_ends_at_once() -> None:
    """SIGTERM ends nginx with 0: Succeeded, then the kubelet deletes the object."""
    lab = Lab()
    assert gone_after(lab, lab.pod(NGINX), 30) == 0.008
    assert [phase for _, phase in lab.phases()] == ["Pending", "Running", "Succeeded", "gone"]
    assert lab.happened("Killing") == [(0.002, "Killing", "Stopping container app")]
    last = next(request for request in lab.api.requests if request.method == "DELETE")
    assert last.body == {"gracePeriodSeconds": 0, "preconditions": {"uid": "uid-web"}}
    assert (lab.runtime.containers, lab.runtime.sandboxes, lab.kubelet.workers) == ({}, {}, {})


def test_a_program_without_a_handler_costs_the_whole_grace() -> None:
    """A first process ignores SIGTERM unless it handles it: 137 after the grace."""
    lab = Lab()
    assert gone_after(lab, lab.pod(STUBBORN), 30) == 30.008
    ended = lab.api.history[-1][2]["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "Error")


def test_a_trap_runs_on_sigterm() -> None:
    """A shell with a trap for TERM runs it."""
    lab = Lab()
    script = "trap 'exit 0' TERM; while true; do sleep 5; done"
    pod = lab.pod({"name": "app", "image": "busybox:1", "command": ["sh", "-c", script]})
    assert gone_after(lab, pod, 30) < 1


@pytest.mark.parametrize(
    ("hook", "container", "grace", "gone"),
    [
        ({"sleep": {"seconds": 4}}, NGINX, 30, 4),
        ({"exec": {"command": ["sleep", "60"]}}, STUBBORN, 5, 7),
        ({"exec": {"command": ["sleep", "3"]}}, STUBBORN, 10, 10),
        ({"exec": {"command": ["false"]}}, NGINX, 30, 0),
    ],
)
def test_hooks_take_from_the_grace(
    hook: dict[str, Any], container: dict[str, Any], grace: int, gone: float
) -> None:
    """A preStop hook's time is part of the grace, of which two seconds always remain."""
    lab = Lab()
    path = lab.pod({**container, "lifecycle": {"preStop": hook}})
    assert gone_after(lab, path, grace) == pytest.approx(gone, abs=0.02)
    failed = [text for _, _, text in lab.happened("FailedPreStopHook")]
    assert failed == (["PreStopHook failed"] if gone == 0 else [])


def test_sidecars_stop_last_in_reverse_order() -> None:
    """Regular containers stop first, then sidecars from the last to the first."""
    lab = Lab()
    sidecars = [
        {
            "name": name, "image": "kubelab/http:1", "restartPolicy": "Always",
            "env": [{"name": "PORT", "value": port}, {"name": "TERM_DELAY", "value": "2"}],
        }
        for name, port in (("s1", "81"), ("s2", "82"))
    ]  # fmt: skip
    path = lab.pod(NGINX, initContainers=sidecars)
    lab.at(20)
    lab.begin = lab.world.now
    lab.delete(path, 30)
    lab.run(30)
    status = lab.api.history[-1][2]["status"]
    rows = [*status["containerStatuses"], *status["initContainerStatuses"]]
    began = lab.begin // SECOND
    ended = {
        row["name"]: parse_timestamp(row["state"]["terminated"]["finishedAt"]) // SECOND - began
        for row in rows
    }
    assert ended == {"app": 0, "s2": 2, "s1": 4}


def test_a_later_delete_may_shorten_the_grace() -> None:
    """A second delete with less grace kills sooner; one with more changes nothing."""
    lab = Lab()
    path = lab.pod(STUBBORN)
    lab.at(20)
    lab.begin = lab.world.now
    lab.delete(path, 30)
    lab.at(5)
    lab.delete(path, 3)
    lab.run(20)
    assert lab.phases()[-1] == (8.008, "gone")


def test_a_forced_deletion_still_ends_the_containers() -> None:
    """When the object is gone at once, the node gives the containers two seconds."""
    lab = Lab()
    path = lab.pod(STUBBORN)
    lab.at(20)
    lab.begin = lab.world.now
    lab.api.drop(path)
    lab.run(1.9)
    assert [record.state for record in lab.runtime.statuses("uid-web")] == ["running"]
    lab.run(1)
    assert lab.runtime.containers == {}


def test_a_deadline() -> None:
    """activeDeadlineSeconds counts from startTime; Failed is said when nothing runs any more."""
    lab = Lab()
    lab.pod(STUBBORN, activeDeadlineSeconds=20, terminationGracePeriodSeconds=5)
    lab.run(60)
    message = "Pod was active on the node longer than the specified deadline"
    assert lab.happened("DeadlineExceeded") == [(20.001, "DeadlineExceeded", message)]
    assert lab.phases()[-1][1] == "Failed"
    assert lab.phases()[-1][0] == pytest.approx(25, abs=0.02)
    assert (lab.status()["reason"], lab.status()["message"]) == ("DeadlineExceeded", message)


def test_finished_pods_stop_their_sidecars() -> None:
    """When all regular containers have ended for good the sidecars are stopped."""
    lab = Lab()
    sidecar = {"name": "side", "image": "nginx:1", "restartPolicy": "Always"}
    job = {"name": "app", "image": "kubelab/job:1"}
    lab.pod(job, restartPolicy="Never", initContainers=[sidecar])
    lab.run(30)
    assert lab.status()["phase"] == "Succeeded"
    assert [record.state for record in lab.runtime.statuses("uid-web")] == ["exited", "exited"]


def test_a_stopped_kubelet_leaves_its_containers() -> None:
    """Containers run on without a kubelet; a new one finds them and changes nothing."""
    lab = Lab()
    lab.pod(NGINX)
    lab.run(9)
    before = lab.runtime.statuses("uid-web")
    written = len(lab.api.history)
    lab.world.halt("kubelet/node-1")
    lab.run(20)
    lab.world.begin("kubelet/node-1")
    lab.run(20)
    assert lab.runtime.statuses("uid-web") == before
    assert len(lab.api.history) == written


def test_a_machine_switched_off_and_on() -> None:
    """After a power cut the pod gets a new sandbox and address, and its containers a restart."""
    lab = Lab()
    lab.pod(NGINX)
    lab.run(9)
    parts = ("kernel/node-1", "runtime/node-1", "kubelet/node-1")
    for part in parts:
        lab.world.halt(part)
    lab.run(20)
    for part in parts:
        lab.world.begin(part)
    lab.run(20)
    container = lab.status()["containerStatuses"][0]
    assert container["restartCount"] == 1
    assert container["lastState"]["terminated"]["reason"] == "Unknown"
    assert lab.status()["podIPs"] == [{"ip": "10.244.1.3"}]
    text = "Pod sandbox changed, it will be killed and re-created."
    assert [message for _, _, message in lab.happened("SandboxChanged")] == [text]


def test_what_is_left_of_a_pod_that_went_meanwhile() -> None:
    """A kubelet that starts ends the containers of pods that the API server no longer has."""
    lab = Lab()
    path = lab.pod(STUBBORN)
    lab.run(9)
    lab.world.halt("kubelet/node-1")
    lab.api.drop(path)
    lab.run(20)
    assert [record.state for record in lab.runtime.statuses("uid-web")] == ["running"]
    lab.world.begin("kubelet/node-1")
    lab.run(4)
    assert (lab.runtime.containers, lab.kubelet.workers, lab.kernel.pods) == ({}, {}, {})


def test_a_hook_by_request() -> None:
    """A preStop hook may be a request to the container; a failing one is told of."""
    lab = Lab()
    good = {"preStop": {"httpGet": {"path": "/healthz", "port": 8080}}}
    bad = {"preStop": {"httpGet": {"path": "/", "port": 81}}}
    one = lab.pod({"name": "app", "image": "kubelab/http:1", "lifecycle": good}, name="one")
    two = lab.pod({"name": "app", "image": "kubelab/http:1", "lifecycle": bad}, name="two")
    lab.run(10)
    lab.delete(one)
    lab.delete(two)
    lab.run(10)
    assert [text for _, _, text in lab.happened("FailedPreStopHook")] == ["PreStopHook failed"]
    assert not [key for key in lab.api.objects if "/pods/" in key]


def test_an_api_server_that_is_away() -> None:
    """Without an API server pods run on; what there is to say is said when it is back."""
    lab = Lab()
    lab.pod(
        {"name": "app", "image": "kubelab/job:1", "env": [{"name": "DURATION", "value": "20"}]},
        restartPolicy="Never",
    )
    lab.at(10)
    lab.world.halt("apiserver-1")
    lab.at(60)
    assert [record.state for record in lab.runtime.statuses("uid-web")] == ["exited"]
    assert lab.status()["phase"] == "Running"
    lab.world.begin("apiserver-1")
    lab.at(75)
    assert lab.status()["phase"] == "Succeeded"
