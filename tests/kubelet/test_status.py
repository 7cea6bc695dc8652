"""Phase, conditions and quality of service as pure functions; and what is done next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.api.objects import freeze
from kubelab.kubelet import actions, status
from kubelab.kubelet.containerstatus import Row
from kubelab.runtime.cri import CREATED, EXITED, RUNNING, ContainerStatus
from kubelab.sim.fork import copy
from tests.kubelet.stub import Lab


def row(state: str, code: int = 0, last: int | None = None, *, sidecar: bool = False) -> Row:
    """A container's status; a running one is started and ready."""
    up = state == "running"
    return Row("a", sidecar, state, code, last, up, up, {})


@pytest.mark.parametrize(
    ("policy", "regular", "initial", "phase"),
    [
        ("Always", [row("waiting")], [], "Pending"),
        ("Always", [row("running"), row("waiting")], [], "Pending"),
        ("Always", [row("running"), row("waiting", last=1)], [], "Running"),
        ("Always", [row("waiting", last=1)], [], "Running"),
        ("Always", [row("terminated", 0)], [], "Running"),
        ("OnFailure", [row("terminated", 0)], [], "Succeeded"),
        ("OnFailure", [row("terminated", 1)], [], "Running"),
        ("Never", [row("terminated", 1), row("terminated", 0)], [], "Failed"),
        ("Never", [row("terminated", 1), row("running")], [], "Running"),
        ("Always", [row("waiting")], [row("running")], "Pending"),
        ("Always", [row("waiting")], [row("waiting", last=1)], "Pending"),
        ("Never", [row("waiting")], [row("terminated", 1)], "Failed"),
        ("Always", [row("running")], [row("terminated", 0)], "Running"),
        ("Always", [row("running")], [row("running", sidecar=True)], "Running"),
    ],
)
def test_phases(policy: str, regular: list[Row], initial: list[Row], phase: str) -> None:
    """The phase follows from the containers and the restart policy."""
    pod = freeze({"spec": {"restartPolicy": policy}})
    assert status.phase_of(pod, regular, initial, ended=False) == phase


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}], "Burstable"),
    ],
)
def test_quality_of_service(resources: list[dict[str, Any]], quality: str) -> None:
    """Guaranteed only if every container's cpu and memory are limited and asked for alike."""
    containers = [{"name": str(n), "resources": item} for n, item in enumerate(resources)]
    assert status.qos_class(freeze({"spec": {"containers": containers}})) == quality


def record(name: str, state: str, code: int, sandbox: str = "s") -> ContainerStatus:
    """A container of the runtime."""
    return ContainerStatus(
        name, sandbox, "uid", name, 0, "i", "i", state, 1, 1 if state != CREATED else 0,
        2 if state == EXITED else 0, code,
    )  # fmt: skip


STATES = st.one_of(
    st.none(),
    st.tuples(st.sampled_from([RUNNING, CREATED]), st.just(0)),
    st.tuples(st.just(EXITED), st.sampled_from([0, 1])),
)


@given(
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    inits=st.lists(st.tuples(STATES, st.booleans()), max_size=3),
    regulars=st.lists(STATES, min_size=1, max_size=3),
)
def test_what_is_done_next_is_always_allowed(policy: str, inits: Any, regulars: Any) -> None:
    """Nothing that runs is started; regular containers begin only when every init is done."""
    init_specs = [
        {"name": f"i{n}", **({"restartPolicy": "Always"} if sidecar else {})}
        for n, (_, sidecar) in enumerate(inits)
    ]
    specs = [{"name": f"c{n}"} for n in range(len(regulars))]
    pod = freeze(
        {"spec": {"restartPolicy": policy, "initContainers": init_specs, "containers": specs}}
    )
    newest = {
        spec["name"]: record(spec["name"], *state)
        for spec, state in [
            *zip(init_specs, [state for state, _ in inits], strict=True),
            *zip(specs, regulars, strict=True),
        ]
        if state is not None
    }
    started = {name: item.state == RUNNING for name, item in newest.items()}
    state = actions.State(pod, newest, "s", started, {}, {})
    action = actions.next_action(state)
    if action is None:
        return
    assert action.kind == actions.START
    held = newest.get(action.name)
    assert held is None or held.state != RUNNING
    if policy == "Never" and held is not None and held.state == EXITED:
        assert action.name.startswith("i") and init_specs[int(action.name[1:])].get("restartPolicy")
    begun = any(name.startswith("c") for name in newest)
    if action.name.startswith("c") and not begun:
        for n, (init, sidecar) in enumerate(inits):
            wanted = (RUNNING, 0) if sidecar else (EXITED, 0)
            assert init == wanted, f"i{n} is not done"


def test_readiness_gates() -> None:
    """A pod with readiness gates is Ready only when the conditions they name are True."""
    lab = Lab()
    path = lab.pod({"name": "app", "image": "nginx:1"}, readinessGates=[{"conditionType": "x/y"}])
    lab.run(5)
    ready = {item["type"]: item for item in lab.status()["conditions"]}
    assert ready["ContainersReady"]["status"] == "True"
    assert ready["Ready"]["reason"] == "ReadinessGatesNotReady"
    assert ready["Ready"]["message"] == (
        'corresponding condition of pod readiness gate "x/y" does not exist.'
    )
    pod = lab.api.objects[path]
    rows = [*pod["status"]["conditions"], {"type": "x/y", "status": "True"}]
    lab.api.put(path, freeze({**pod, "status": {**pod["status"], "conditions": rows}}))
    lab.run(1)
    assert [item["status"] for item in lab.status()["conditions"] if item["type"] == "Ready"] == [
        "True"
    ]


def test_a_copy_in_the_middle_goes_on_identically() -> None:
    """A world copied at any moment of a pod's life has the same future, and the same trace."""
    lab = Lab()
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 3}
    env = [{"name": "FAIL_AFTER", "value": "5"}]
    lab.pod({"name": "app", "image": "kubelab/http:1", "env": env, "livenessProbe": probe})
    for _ in range(12):
        lab.run(3)
        twin = copy(lab.world)
        other = Lab.__new__(Lab)
        other.world = twin
        other.run(40)
        lab_copy = Lab.__new__(Lab)
        lab_copy.world = copy(lab.world)
        lab_copy.run(40)
        assert list(other.world.trace) == list(lab_copy.world.trace)
    lab.run(4)
    assert len(lab.happened("Killing")) > 1


def test_every_event_has_its_sentence() -> None:
    """Whatever a kubelet handles is told in one sentence of at most 30 words."""
    lab = Lab()
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 2}
    volumes = [{"name": "v", "configMap": {"name": "cfg"}}]
    path = lab.pod(
        {"name": "app", "image": "kubelab/http:1", "livenessProbe": probe}, volumes=volumes
    )
    lab.run(2)
    lab.config_map("cfg", {})
    lab.run(30)
    lab.delete(path)
    lab.run(40)
    told = [lab.kubelet.tell(e) for e in lab.world.trace if e.target == lab.kubelet.name]
    assert len(told) > 50
    assert [text for text in told if len(text.split()) > 30 or not text.endswith(".")] == []
    assert [text for text in told if "None" in text] == []
    assert any("the pod waits for its volumes v" in text for text in told)
