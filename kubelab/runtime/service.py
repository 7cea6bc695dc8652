"""The container runtime of a node: it carries out the calls of the CRI.

A call changes the state at once and is answered after the time the work takes. What a container
does is its program's business: the runtime hands it timers, signals and requests, and when its
process is over it records the exit code and tells the kubelet that something changed. It knows
nothing of pods' restart policies: a container that has ended stays as it is until it is removed.

What must hold: containers live on when the kubelet is stopped. When the machine is switched off all
processes are gone; the records and the images are on its disk, so that after the next start every
container that ran is found exited, and every sandbox without a network.

In Kubernetes: containerd's CRI plugin (internal/cri/server), with runc behind it. Left out:
snapshots and layers, the shims as processes of their own, log files with rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kubelab.network.kernel import Kernel
from kubelab.runtime import images, netcommands
from kubelab.runtime.container import Container
from kubelab.runtime.cri import (
    CREATED,
    EXITED,
    Answer,
    ContainerConfig,
    ContainerStatus,
    Sandbox,
    SandboxConfig,
)
from kubelab.runtime.files import Disk
from kubelab.runtime.imageservice import ImageService
from kubelab.runtime.interactive import Interactive
from kubelab.runtime.outside import Outside
from kubelab.runtime.words import tell
from kubelab.sim.kernel import SECOND, Component, Event
from kubelab.sim.tree import Obj

SANDBOX_SECONDS = 0.3
CREATE_SECONDS = 0.1
START_SECONDS = 0.1

Factory = Callable[..., str]


class Runtime(Outside, ImageService, Interactive, Component):
    """The runtime of one node, `runtime/<node>`; flavours are subclasses.

    `programs` maps an image's name to the class of a learner's own program; `present` are the
    images that are on the disk from the beginning, as a Node's status.images names them.
    """

    flavour = "containerd"
    prefix = "containerd://"
    version = "containerd://2.1.4"
    # Who hands a call on to whom, and what they do for it, in their order.
    chain: tuple[str, ...] = ("containerd", "shim-runc-v2", "runc")
    steps: dict[str, tuple[str, ...]] = {}
    # Docker's way to name a container after its pod.
    docker_names = False
    # Whether a container can be restarted only with its whole pod.
    immutable_pods = False

    def __init__(
        self,
        name: str,
        *,
        coredns_factory: Factory | None = None,
        programs: dict[str, type] | None = None,
        present: Iterable[Obj] = (),
    ) -> None:
        super().__init__(name)
        self.node = name.partition("/")[2]
        self.coredns_factory = coredns_factory
        self.programs: dict[str, type] = {} if programs is None else programs
        self.disk = Disk()
        self.pids_gone = False
        self.images = images.ImageStore()
        for row in present:
            self.images.bring(tuple(row.get("names") or ()), int(row.get("sizeBytes") or 0))
        self.sandboxes: dict[str, Sandbox] = {}
        self.containers: dict[str, Container] = {}
        self.by_pod: dict[str, list[str]] = {}
        self.sandboxes_by_pod: dict[str, list[str]] = {}

    def start(self) -> None:
        for name in self.processes():
            self.world.remove(name)
        for sandbox in list(self.sandboxes.values()):
            self.sandboxes[sandbox.id] = sandbox._replace(ready=False)
        for container in self.containers.values():
            if container.status.state != EXITED:
                container.status = container.status._replace(
                    state=EXITED, finished_ns=self.now, exit_code=255, reason="Unknown"
                )
            container.process = container.program = None
            container.sessions = {}
            container.waiting = []
        for pod_uid in self.by_pod:
            # A kubelet that lived on, while only the runtime was away, looks for itself.
            self.send(f"kubelet/{self.node}", "changed", pod_uid)

    # Looking, as the kubelet does each second.

    def statuses(self, pod_uid: str) -> list[ContainerStatus]:
        """The containers of a pod, the oldest first."""
        return [self.containers[id_].status for id_ in self.by_pod.get(pod_uid, ())]

    def sandboxes_of(self, pod_uid: str) -> list[Sandbox]:
        """The sandboxes of a pod, the oldest first."""
        return [self.sandboxes[id_] for id_ in self.sandboxes_by_pod.get(pod_uid, ())]

    def logs(self, container_id: str) -> list[tuple[int, str]]:
        """The log of a container: lines with their times."""
        container = self.containers.get(container_id)
        return list(container.process.lines) if container and container.process else []

    def find(
        self, namespace: str, pod: str, container: str, *, previous: bool = False
    ) -> ContainerStatus | None:
        """The newest container of a pod by name, or the one before it."""
        found = [
            held.status
            for held in self.containers.values()
            if held.pod == f"{namespace}/{pod}" and held.config.name == container
        ]
        place = 2 if previous else 1
        return found[-place] if len(found) >= place else None

    @property
    def kernel(self) -> Kernel:
        """The kernel of our machine."""
        kernel = self.world.components[f"kernel/{self.node}"]
        assert isinstance(kernel, Kernel)
        return kernel

    # Answers.

    def answer(self, caller: str, call_id: int, answer: Answer, seconds: float = 0.0) -> None:
        """Answers a call after the time that its work takes."""
        latency = self.world.links.latency_ns(self.name, caller)
        due = self.now + round(seconds * SECOND) + latency
        self.world.push(due, self.name, caller, "cri_answered", (call_id, answer), None)

    def _id(self) -> str:
        chance = self.chance
        return "".join(f"{chance.bits():016x}" for _ in range(4))

    def _find(self, caller: str, call_id: int, container_id: str) -> Container | None:
        """The container of a call; answers it with an error if there is none."""
        container = self.containers.get(container_id)
        if container is None:
            text = f'an error occurred when try to find container "{container_id}": not found'
            self.answer(caller, call_id, Answer(False, None, text))
            return None
        self.note(pod=container.pod, container=container.config.name, id=container_id[:12])
        return container

    def _steps(self, call: str) -> None:
        """What this flavour does for a call, for whoever compares them."""
        if call in self.steps:
            self.note(steps=list(self.steps[call]))

    def sandbox_steps(self, config: SandboxConfig) -> tuple[str, ...]:
        """What this flavour does for RunPodSandbox."""
        del config
        return self.steps.get("run_pod_sandbox", ())

    # Sandboxes.

    def run_pod_sandbox(self, caller: str, call_id: int, config: SandboxConfig) -> None:
        """The pod's network namespace, with its address; no image is needed for it."""
        pod = f"{config.namespace}/{config.name}"
        sandbox_id = self._id()
        self.note(pod=pod, attempt=config.attempt, steps=list(self.sandbox_steps(config)))
        if self.docker_names:
            self.note(name=_docker_name("POD", config, config.attempt))
        try:
            address = self.kernel.attach(sandbox_id, config.host_network, pod, config.host_ports)
        except LookupError as error:
            text = f'failed to setup network for sandbox "{sandbox_id}": {error}'
            self.note(error=text)
            self.answer(caller, call_id, Answer(False, None, text), SANDBOX_SECONDS)
            return
        more = self.kernel.more_addresses(address)
        sandbox = Sandbox(sandbox_id, config, True, address, self.now, more)
        self.sandboxes[sandbox_id] = sandbox
        self.sandboxes_by_pod.setdefault(config.uid, []).append(sandbox_id)
        self.note(ip=address, sandbox=sandbox_id[:12])
        self.answer(caller, call_id, Answer(True, sandbox), SANDBOX_SECONDS)

    def pod_sandbox_status(self, caller: str, call_id: int, sandbox_id: str) -> None:
        """The sandbox, with its addresses."""
        sandbox = self.sandboxes.get(sandbox_id)
        if sandbox is not None:
            self.note(pod=f"{sandbox.config.namespace}/{sandbox.config.name}", ip=sandbox.ip)
        self.answer(caller, call_id, Answer(sandbox is not None, sandbox, "not found"))

    def stop_pod_sandbox(self, caller: str, call_id: int, sandbox_id: str) -> None:
        """Kills what still runs there and gives the address back; may be repeated."""
        sandbox = self.sandboxes.get(sandbox_id)
        if sandbox is not None:
            self.note(pod=f"{sandbox.config.namespace}/{sandbox.config.name}", ip=sandbox.ip)
            self._steps("stop_pod_sandbox")
            for container in list(self.containers.values()):
                if container.sandbox.id == sandbox_id and container.running:
                    self.destroy(container)
            if sandbox.ready:
                self.kernel.detach(sandbox_id)
                self.sandboxes[sandbox_id] = sandbox._replace(ready=False)
        self.answer(caller, call_id, Answer(True))

    def remove_pod_sandbox(self, caller: str, call_id: int, sandbox_id: str) -> None:
        """Forgets a sandbox and its containers."""
        sandbox = self.sandboxes.pop(sandbox_id, None)
        if sandbox is not None:
            self.note(pod=f"{sandbox.config.namespace}/{sandbox.config.name}")
            self.kernel.detach(sandbox_id)
            uid = sandbox.config.uid
            self.sandboxes_by_pod[uid].remove(sandbox_id)
            if not self.sandboxes_by_pod[uid]:
                del self.sandboxes_by_pod[uid]
            for container_id in list(self.by_pod.get(sandbox.config.uid, ())):
                if self.containers[container_id].sandbox.id == sandbox_id:
                    self._forget(self.containers[container_id])
        self.answer(caller, call_id, Answer(True))

    # Containers.

    def create_container(
        self, caller: str, call_id: int, sandbox_id: str, config: ContainerConfig
    ) -> None:
        """Makes a container; nothing runs yet."""
        sandbox, image = self.sandboxes.get(sandbox_id), self.images.get(config.image)
        if sandbox is None or not sandbox.ready or image is None:
            what, which = ("image", config.image) if image is None else ("sandbox", sandbox_id)
            text = f'failed to find {what} "{which}": not found'
            self.note(error=text)
            self.answer(caller, call_id, Answer(False, None, text), CREATE_SECONDS)
            return
        container = Container(self._id(), sandbox, config, image, self.now)
        self.containers[container.id] = container
        self.by_pod.setdefault(sandbox.config.uid, []).append(container.id)
        self.note(pod=container.pod, container=config.name, attempt=config.attempt)
        self.note(image=config.image, id=container.id[:12])
        self._steps("create_container")
        if self.docker_names:
            self.note(name=_docker_name(config.name, sandbox.config, config.attempt))
        self.answer(caller, call_id, Answer(True, container.id), CREATE_SECONDS)

    def start_container(self, caller: str, call_id: int, container_id: str) -> None:
        """Starts the program."""
        container = self._find(caller, call_id, container_id)
        if container is None:
            return
        if container.status.state != CREATED:
            text = f"container is in {container.status.state} state"
            self.answer(caller, call_id, Answer(False, None, text))
            return
        self._steps("start_container")
        error = self.launch(container)
        if error:
            self.note(error=error)
            container.status = container.status._replace(
                state=EXITED,
                finished_ns=self.now,
                exit_code=128,
                reason="StartError",
                message=error,
            )
            self.answer(caller, call_id, Answer(False, None, error), START_SECONDS)
            return
        self.answer(caller, call_id, Answer(True), START_SECONDS)

    def stop_container(
        self, caller: str, call_id: int, container_id: str, timeout_seconds: float
    ) -> None:
        """A signal to end, and SIGKILL after the time; a shorter time given later counts."""
        container = self._find(caller, call_id, container_id)
        if container is None:
            return
        if not container.running:
            if container.status.state == CREATED:
                container.status = container.status._replace(state=EXITED, finished_ns=self.now)
            self.answer(caller, call_id, Answer(True))
            return
        self.note(timeout_seconds=timeout_seconds)
        self._steps("stop_container")
        first = not container.waiting
        container.waiting.append((caller, call_id))
        if timeout_seconds <= 0:
            self.destroy(container)
            return
        if first:
            name = container.config.stop_signal or "SIGTERM"
            self.note(signal=name)
            self.signal(container_id, name)
        due = self.now + round(timeout_seconds * SECOND)
        if container.running and (first or due < container.kill_ns):
            self.cancel(container.kill_timer)
            container.kill_ns = due
            container.kill_timer = self.after(timeout_seconds, "kill_now", container_id)

    def kill_now(self, container_id: str) -> None:
        """The time to end is over."""
        container = self.containers.get(container_id)
        if container is not None and container.running:
            self.note(pod=container.pod, container=container.config.name, signal="SIGKILL")
            container.kill_timer = None
            self.destroy(container)

    def update_container_resources(
        self, caller: str, call_id: int, container_id: str, memory_limit_bytes: int
    ) -> None:
        """Changes what a running container may use."""
        container = self.containers.get(container_id)
        if container is not None:
            self.note(pod=container.pod, container=container.config.name, id=container_id[:12])
            container.config = container.config._replace(memory_limit_bytes=memory_limit_bytes)
        self.answer(caller, call_id, Answer(True))

    def remove_container(self, caller: str, call_id: int, container_id: str) -> None:
        """Forgets a container."""
        container = self.containers.get(container_id)
        if container is not None:
            self.note(pod=container.pod, container=container.config.name, id=container_id[:12])
            self._steps("remove_container")
            self._forget(container)
        self.answer(caller, call_id, Answer(True))

    def _forget(self, container: Container) -> None:
        if container.running:
            self.destroy(container)
        del self.containers[container.id]
        uid = container.status.pod_uid
        self.by_pod[uid].remove(container.id)
        if not self.by_pod[uid]:
            del self.by_pod[uid]

    def exec_sync(
        self, caller: str, call_id: int, container_id: str, command: tuple[str, ...]
    ) -> None:
        """Runs a command in a container, in a process beside the first one."""
        container = self._find(caller, call_id, container_id)
        if container is None:
            return
        self.note(command=" ".join(command)[:200])
        outcome = self.execute(container, command, caller, call_id)
        if outcome is not None:
            self.answer(caller, call_id, outcome)

    def exec(
        self,
        caller: str,
        call_id: int,
        container_id: str,
        command: tuple[str, ...],
        stdin: str = "",
    ) -> None:
        """The same for a person, whose input comes with it."""
        container = self._find(caller, call_id, container_id)
        if container is None:
            return
        self.note(command=" ".join(command)[:200])
        outcome = self.execute(container, command, caller, call_id, stdin)
        if outcome is not None:
            if not outcome.ok:
                text = f'failed to exec in container: failed to start exec "{self._id()}": '
                outcome = outcome._replace(error=text + outcome.error)
            self.answer(caller, call_id, outcome)

    def undelivered(self, target: str, verb: str, args: tuple[Any, ...], reason: str) -> None:
        """Tools that do not answer fail the command that asked them."""
        if target.startswith("tools/"):
            self.network_failed(args[1])

    def finished(self, token: tuple[str, str], result: Any) -> None:
        """The network tools have answered what a command in a container asked."""
        self.resume(token, netcommands.answered, result)

    @staticmethod
    def tell(event: Event) -> str:
        return tell(event)


def _docker_name(container: str, config: SandboxConfig, attempt: int) -> str:
    return f"k8s_{container}_{config.name}_{config.namespace}_{config.uid}_{attempt}"
