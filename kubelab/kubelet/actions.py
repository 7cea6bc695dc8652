"""What is to be done next for a pod's containers: kill one, start one, or nothing.

A pure function of the pod, of what the runtime has, and of what the probes found. The order: what
must be restarted is killed first; init containers run one after the other, each to its end (a
sidecar: until it is started); then the regular containers, in the order of the manifest.

In Kubernetes: pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodActions) and
kuberuntime_container.go (computeInitContainerActions). Left out: resize in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kubelab.api.objects import NOTHING, Obj, get
from kubelab.runtime.cri import EXITED, RUNNING, ContainerStatus

KILL, START = "kill", "start"


class Action(NamedTuple):
    """The next thing to do; `why` is the message of the Killing event."""

    kind: str
    name: str
    why: str = ""
    cause: str = ""


def init_containers(pod: Obj) -> list[Obj]:
    """The init containers of a pod, sidecars among them."""
    return get(pod, "spec", "initContainers", default=NOTHING)  # type: ignore[no-any-return]


def containers(pod: Obj) -> list[Obj]:
    """The regular containers of a pod."""
    return get(pod, "spec", "containers", default=NOTHING)  # type: ignore[no-any-return]


def ephemeral_containers(pod: Obj) -> list[Obj]:
    """The containers that somebody has added to a running pod to look into it."""
    return get(pod, "spec", "ephemeralContainers", default=NOTHING)  # type: ignore[no-any-return]


def is_sidecar(container: Obj) -> bool:
    """Whether an init container is one that runs on."""
    return container.get("restartPolicy") == "Always"


def find(pod: Obj, name: str) -> tuple[Obj, str] | None:
    """A container's specification, and its path for Events."""
    for container in init_containers(pod):
        if container["name"] == name:
            return container, f"spec.initContainers{{{name}}}"
    for container in containers(pod):
        if container["name"] == name:
            return container, f"spec.containers{{{name}}}"
    for container in ephemeral_containers(pod):
        if container["name"] == name:
            return container, f"spec.ephemeralContainers{{{name}}}"
    return None


def restart_policy(pod: Obj, container: Obj) -> str:
    """The policy of one container: its own, else the pod's."""
    return str(
        container.get("restartPolicy") or get(pod, "spec", "restartPolicy", default="Always")
    )


def restarts(pod: Obj, container: Obj, exit_code: int, *, init: bool = False) -> bool:
    """Whether a container that has ended so is started again."""
    for rule in get(container, "restartPolicyRules", default=NOTHING):
        codes = get(rule, "exitCodes", "values", default=NOTHING)
        wanted = get(rule, "exitCodes", "operator", default="In") == "In"
        if rule.get("action") == "Restart" and (exit_code in codes) is wanted:
            return True
    policy = restart_policy(pod, container)
    if policy == "Always" and not (init and not is_sidecar(container)):
        return True
    return policy != "Never" and exit_code != 0


class State(NamedTuple):
    """What next_action decides on. The mappings are by container name."""

    pod: Obj
    newest: Mapping[str, ContainerStatus]
    sandbox_id: str
    started: Mapping[str, bool]
    failing: Mapping[str, str]
    skipped: Mapping[str, None]

    def current(self, name: str) -> ContainerStatus | None:
        """The newest container of a name, if it is in the sandbox of today."""
        record = self.newest.get(name)
        return record if record is not None and record.sandbox_id == self.sandbox_id else None


def next_action(state: State) -> Action | None:
    """The next thing to do; None if there is nothing (but to wait)."""
    kill = _kill(state)
    if kill is not None:
        return kill
    for container in ephemeral_containers(state.pod):
        # Started once, and never again.
        if container["name"] not in state.newest and container["name"] not in state.skipped:
            return Action(START, container["name"])
    begun = any(state.current(item["name"]) for item in containers(state.pod))
    action, done = _initial(state, begun)
    if action is not None or not done:
        return action
    for container in containers(state.pod):
        name = container["name"]
        record = state.current(name)
        if name in state.skipped or (record is not None and record.state == RUNNING):
            continue
        if record is None:
            # After a change of sandbox, what was done before is not done again.
            record = state.newest.get(name)
            if record is None or restarts(state.pod, container, record.exit_code):
                return Action(START, name)
        elif record.state != EXITED or restarts(state.pod, container, record.exit_code):
            return Action(START, name)
    return None


def _kill(state: State) -> Action | None:
    """A running container that must not run on as it is."""
    for container in [*init_containers(state.pod), *containers(state.pod)]:
        name = container["name"]
        record = state.current(name)
        if record is None or record.state != RUNNING or name in state.skipped:
            continue
        failing = state.failing.get(name)
        if failing:
            why = f"Container {name} failed {failing} probe"
        else:
            continue
        return Action(KILL, name, _message(state, container, why), failing)
    return None


def definition_changed(state: State, images: Mapping[str, str]) -> Action | None:
    """A running container whose image is no longer that of the manifest (`images` are in use)."""
    for container in containers(state.pod):
        name = container["name"]
        record = state.current(name)
        if record is None or record.state != RUNNING or name in state.skipped:
            continue
        if images.get(name, container["image"]) != container["image"]:
            why = f"Container {name} definition changed"
            return Action(KILL, name, _message(state, container, why), "definition")
    return None


def _message(state: State, container: Obj, why: str) -> str:
    if restart_policy(state.pod, container) != "Never":
        return f"{why}, will be restarted"
    others = [
        item["name"]
        for item in containers(state.pod)
        if item["name"] != container["name"]
        and (record := state.current(item["name"])) is not None
        and record.state == RUNNING
    ]
    return why if others else f"Stopping container {container['name']}"


def _initial(state: State, begun: bool) -> tuple[Action | None, bool]:
    """The next thing to do for the init containers, and whether all of them are done."""
    for container in init_containers(state.pod):
        name = container["name"]
        record = state.current(name)
        sidecar = is_sidecar(container)
        if begun and not sidecar:
            continue
        if record is not None and record.state == RUNNING:
            if sidecar and (begun or state.started.get(name, False)):
                continue
            return None, False
        if record is not None and record.state == EXITED:
            if not sidecar and record.exit_code == 0:
                continue
            if not restarts(state.pod, container, record.exit_code, init=True):
                return None, False
        if name in state.skipped:
            if begun:
                continue
            return None, False
        return Action(START, name), False
    return None, True


def all_done(state: State) -> bool:
    """Whether every regular container has ended for good (or an init container has failed so)."""
    if _init_failed(state):
        return True
    for container in containers(state.pod):
        record = state.newest.get(container["name"])
        if record is None or record.state != EXITED:
            return False
        if restarts(state.pod, container, record.exit_code):
            return False
    return bool(containers(state.pod))


def _init_failed(state: State) -> bool:
    for container in init_containers(state.pod):
        record = state.newest.get(container["name"])
        ended = record is not None and record.state == EXITED and record.exit_code != 0
        if ended and not is_sidecar(container) and restart_policy(state.pod, container) == "Never":
            return True
    return False
