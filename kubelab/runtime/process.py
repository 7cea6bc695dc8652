"""A process: the first one of a container, as its program sees it.

A program (`programs.py`) is told of what happens: it starts, a timer is over, a signal or a request
arrives. It acts through its process: it sets timers, listens, writes files and log lines, exits.
All of it is data, so that a world can be copied while programs run.

In Kubernetes: a Linux process behind runc and a shim. Left out: child processes with ids of their
own (a command that is run by `exec` is a `Session`), users, limits other than memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.runtime.cri import ContainerConfig, Sandbox
from kubelab.runtime.files import FileSystem
from kubelab.sim.log import Log

if TYPE_CHECKING:
    from kubelab.runtime.service import Runtime

LOG_TAIL_LINES, LOG_TAIL_BYTES = 80, 2048


class NoAnswer:
    """What a program returns from `request` to leave the client waiting."""


class Refuse:
    """What a program returns from `request` to close the connection."""


class Process:
    """One running container, seen from inside."""

    def __init__(
        self,
        runtime: Runtime,
        container_id: str,
        sandbox: Sandbox,
        config: ContainerConfig,
        argv: tuple[str, ...],
    ) -> None:
        self.runtime = runtime
        self.container_id = container_id
        self.sandbox = sandbox
        self.config = config
        self.argv = argv
        self.env: dict[str, str] = dict(config.env)
        self.files = FileSystem(runtime.disk, config.mounts, read_only=config.read_only_root)
        self.started_ns = runtime.now
        self.timers: dict[str, int] = {}
        self.ports: list[tuple[str, int]] = []
        self.lines: Log[tuple[int, str]] = Log()
        # Text of a line that is not ended yet.
        self.partial = ""
        self.exited = False
        # Who is attached: the component that gets what is written, by the number of its call.
        self.attached: dict[int, str] = {}

    # What a program may know.

    @property
    def pod_name(self) -> str:
        """The name of the pod, which is also its host name."""
        return self.sandbox.config.name

    @property
    def namespace(self) -> str:
        """The namespace of the pod."""
        return self.sandbox.config.namespace

    @property
    def ip(self) -> str:
        """The address of the pod."""
        return self.sandbox.ip

    @property
    def now(self) -> int:
        """Virtual time, nanoseconds since 1970."""
        return self.runtime.now

    @property
    def attempt(self) -> int:
        """How often this container has been restarted in its pod."""
        return self.config.attempt

    def elapsed_seconds(self) -> float:
        """How long the process has run."""
        return (self.runtime.now - self.started_ns) / 1e9

    # What a program may do.

    def after(self, seconds: float, name: str, *, background: bool | None = None) -> None:
        """Sets the timer `name`; `timer(process, name)` of the program is called when it is over.

        A timer that goes on and on should be `background`, so that nobody waits for its end.
        """
        self.runtime.cancel(self.timers.get(name))
        self.timers[name] = self.runtime.after(
            seconds, "program_timer", self.container_id, name, background=background
        )

    def stop_timer(self, name: str) -> None:
        """Stops a timer."""
        self.runtime.cancel(self.timers.pop(name, None))

    def listen(self, port: int, protocol: str = "TCP") -> None:
        """Listens on a port; requests reach `request(process, port, protocol, payload)`."""
        if (protocol, port) not in self.ports:
            self.runtime.listen(self, port, protocol)
            self.ports.append((protocol, port))

    def close(self, port: int, protocol: str = "TCP") -> None:
        """Listens there no longer."""
        if (protocol, port) in self.ports:
            self.ports.remove((protocol, port))
            self.runtime.close(self, port, protocol)

    def log(self, line: str) -> None:
        """Writes a line to the container's log."""
        self.lines.append((self.runtime.now, line))
        if self.attached:
            self.runtime.spoken(self, line + "\n")

    def write(self, text: str) -> None:
        """Writes text to standard output; whole lines become lines of the log."""
        *whole, self.partial = (self.partial + text).split("\n")
        for line in whole:
            self.lines.append((self.runtime.now, line))
        if self.attached:
            self.runtime.spoken(self, text)

    def exit(self, code: int = 0) -> None:
        """Ends the process, and with it the container."""
        if not self.exited:
            self.runtime.exited(self, code)

    # For the runtime.

    def tail(self) -> str:
        """The end of the log, as the kubelet takes it for a termination message."""
        lines = self.lines[max(0, len(self.lines) - LOG_TAIL_LINES) :]
        return "\n".join(line for _, line in lines)[-LOG_TAIL_BYTES:]


class Program:
    """What an image does. Subclasses say what happens; attributes of theirs must be plain data.

    `steady` says that the answer to a request does not depend on the time at which it is asked.
    """

    steady = False

    def start(self, process: Process) -> None:
        """The process begins."""

    def timer(self, process: Process, name: str) -> None:
        """A timer set by `process.after` is over."""

    def signal(self, process: Process, name: str) -> None:
        """A signal other than SIGKILL arrives; without a handler the first process ignores it."""

    def request(self, process: Process, port: int, protocol: str, payload: Any) -> Any:
        """A request arrives on a port; returns the answer, NoAnswer or Refuse."""
        return Refuse
