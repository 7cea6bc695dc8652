"""One machine with a container runtime, and somebody who calls it."""

from __future__ import annotations

from typing import Any

from kubelab.network.fabric import Fabric
from kubelab.network.kernel import Kernel
from kubelab.network.payloads import HttpRequest
from kubelab.runtime.containerd import Containerd
from kubelab.runtime.cri import Answer, ContainerConfig, ContainerStatus, Sandbox, SandboxConfig
from kubelab.sim.kernel import SECOND, Component, World


class Caller(Component):
    """Stands where the kubelet stands, and remembers what it is told."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.answers: dict[int, tuple[int, Answer]] = {}
        self.said: dict[int, str] = {}
        self.changes: list[tuple[int, str]] = []
        self.outcomes: list[Any] = []
        self.last = 0

    def call(self, verb: str, *args: Any) -> int:
        """Calls the runtime; returns the number of the call."""
        self.last += 1
        self.send("runtime/n", verb, self.name, self.last, *args)
        return self.last

    def cri_answered(self, call_id: int, answer: Answer) -> None:
        """The runtime answers."""
        self.answers[call_id] = (self.now, answer)

    def exec_output(self, call_id: int, stdout: str, stderr: str) -> None:
        """A command that is talked to has written something."""
        self.said[call_id] = self.said.get(call_id, "") + stdout + stderr

    def changed(self, pod_uid: str) -> None:
        """A container has ended."""
        self.changes.append((self.now, pod_uid))

    def answered(self, token: Any, outcome: Any) -> None:
        """The kernel answers a request."""
        self.outcomes.append(outcome)


class Machine:
    """The machine `n`, with one sandbox."""

    def __init__(self, **options: Any) -> None:
        self.world = World()
        self.world.add(Fabric())
        self.world.add(Kernel("kernel/n"))
        self.world.add(Containerd("runtime/n", **options))
        self.world.add(Caller("kubelet/n"))
        self.run(1)
        self.kernel.configure("192.168.0.11", "10.244.1.0/24")
        config = SandboxConfig("default", "web", "uid", hostname="web")
        self.sandbox: Sandbox = self.answer("run_pod_sandbox", config).value

    @property
    def runtime(self) -> Containerd:
        """The runtime."""
        return self.world.components["runtime/n"]  # type: ignore[return-value]

    @property
    def kernel(self) -> Kernel:
        """The kernel."""
        return self.world.components["kernel/n"]  # type: ignore[return-value]

    @property
    def caller(self) -> Caller:
        """Who calls."""
        return self.world.components["kubelet/n"]  # type: ignore[return-value]

    def fork(self, world: World) -> Machine:
        """The same machine in another world."""
        twin = object.__new__(Machine)
        twin.world, twin.sandbox = world, self.sandbox
        return twin

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        end = self.world.now + round(seconds * SECOND)
        while (due := self.world.next_time()) is not None and due <= end:
            self.world.step()
        self.world.now = end

    def answer(self, verb: str, *args: Any, within: float = 100) -> Answer:
        """The answer to a call; time passes until it is there."""
        number = self.caller.call(verb, *args)
        end = self.world.now + round(within * SECOND)
        while number not in self.caller.answers:
            due = self.world.next_time()
            assert due is not None and due <= end, f"no answer to {verb}"
            self.world.step()
        return self.caller.answers[number][1]

    def start(self, image: str, name: str = "app", **config: Any) -> str:
        """Pulls, creates and starts a container; returns its id."""
        assert self.answer("pull_image", image).ok
        made = self.answer(
            "create_container", self.sandbox.id, ContainerConfig(name, image, **config)
        )
        assert made.ok
        self.answer("start_container", made.value)
        return str(made.value)

    def status(self, container_id: str) -> ContainerStatus:
        """What the runtime knows of a container."""
        return self.runtime.containers[container_id].status

    def log(self, container_id: str) -> list[str]:
        """The lines of a container's log."""
        return [line for _, line in self.runtime.logs(container_id)]

    def get(self, path: str, port: int) -> Any:
        """GET of a path at the pod, from the node; the outcome."""
        self.kernel.open(
            "192.168.0.11", self.sandbox.ip, port, "TCP", HttpRequest("GET", "", path),
            "kubelet/n", 1,
        )  # fmt: skip
        self.run(6)
        return self.caller.outcomes.pop()
