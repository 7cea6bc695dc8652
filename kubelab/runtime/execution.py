"""The runtime's other half: what happens inside containers, from the start of a program to its end.

Each thing that a program is told of (start, timer, signal, request) goes through `guarded`: what a
learner's own program raises ends its container with exit code 1 and a line in its log, never the
world. When a program has ended, its timers and ports are gone with it, commands that ran beside it
fail, and the kubelet is told that the pod has changed.

In Kubernetes: containerd's shim, runc, and the Linux kernel's processes and OOM killer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from kubelab.api import quantity
from kubelab.network import resolvconf
from kubelab.network.kernel import Kernel
from kubelab.runtime import bounded, commands, images, programs
from kubelab.runtime.container import Container
from kubelab.runtime.control import WAIT
from kubelab.runtime.cri import EXITED, RUNNING, Answer, ExecResult
from kubelab.runtime.process import NoAnswer, Process, Program, Refuse
from kubelab.runtime.session import Session
from kubelab.runtime.shell import Script
from kubelab.runtime.shelllexer import SyntaxProblem
from kubelab.runtime.shellprogram import ShellProgram, describe
from kubelab.sim.kernel import Component
from kubelab.sim.tree import EMPTY, Obj

if TYPE_CHECKING:
    from kubelab.runtime.files import Disk

OOM_SECONDS = 1.0
NOT_FOUND = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc "
    "create failed: unable to start container process: error during container init: exec: "
)
NO_EXEC = "OCI runtime exec failed: exec failed: unable to start container process: exec: "


class CoreDns(programs.Server):
    """The container of CoreDNS: its server is a component of its own, made when it starts."""

    def __init__(self) -> None:
        self.component = ""

    def start(self, process: Process) -> None:
        runtime = process.runtime
        factory = runtime.coredns_factory
        if factory is not None:
            self.component = factory(
                runtime.world, process.namespace, process.pod_name, process.ip, runtime.node
            )

    def signal(self, process: Process, name: str) -> None:
        """Told to end, it goes on answering for as long as its Corefile says (lameduck)."""
        server: Any = process.runtime.world.components.get(self.component)
        seconds = getattr(server, "lameduck_seconds", 0.0)
        if name != "SIGTERM" or "lameduck" in process.timers:
            return
        process.log("[INFO] SIGTERM: Shutting down servers then terminating")
        if not seconds:
            process.exit(0)
            return
        process.log(f"[INFO] plugin/health: Going into lameduck mode for {seconds:g}s")
        process.after(seconds, "lameduck")

    def timer(self, process: Process, name: str) -> None:
        process.exit(0)


class Execution(Component):
    """Programs and their processes; a part of `Runtime`, which has the rest of the state."""

    node: str
    disk: Disk
    containers: dict[str, Container]
    programs: dict[str, type]
    coredns_factory: Any

    if TYPE_CHECKING:

        @property
        def kernel(self) -> Kernel: ...

        def answer(
            self, caller: str, call_id: int, answer: Answer, seconds: float = 0.0
        ) -> None: ...

    # From start to end.

    def launch(self, container: Container) -> str:
        """Starts the program of a container; returns containerd's error if there is none."""
        config = container.config
        reference = images.parse(config.image)
        try:
            if reference.last == "coredns" and self.coredns_factory is not None:
                program: Any = CoreDns()
            else:
                program = programs.program_for(
                    reference, config.command, config.args, self.programs, stdin=config.stdin
                )
        except (bounded.NeverReturns, Exception) as problem:
            if not isinstance(problem, programs.CannotStart):
                return f"{NOT_FOUND}{type(problem).__name__}: {problem}: unknown"
            word = str(problem)
            why = "executable file not found in $PATH"
            if "/" in word:
                why = f"stat {word}: no such file or directory"
            return f'{NOT_FOUND}"{word}": {why}: unknown'
        process = Process(
            cast(Any, self), container.id, container.sandbox, config, config.command + config.args
        )
        container.program, container.process = program, process
        container.status = container.status._replace(state=RUNNING, started_ns=self.now)
        self._write_defaults(process)
        self.note(program=describe(program))
        memory = quantity.value(process.env.get("MEMORY") or "10Mi")
        if config.memory_limit_bytes and memory > config.memory_limit_bytes:
            self.after(OOM_SECONDS, "out_of_memory", container.id)
        self.guarded(container, "start")
        return ""

    def _write_defaults(self, process: Process) -> None:
        config = process.sandbox.config
        own = process.files.own
        own["/etc/hostname"] = f"{config.hostname}\n"
        own["/etc/resolv.conf"] = resolvconf.render(config.resolv_conf)

    def guarded(self, container: Container, method: str, *args: Any) -> Any:
        """Calls a method of a container's program; what it raises is its own end."""
        program, process = container.program, container.process
        assert process is not None
        ours = type(program).__module__.startswith("kubelab.")
        handler = getattr(program, method, None)
        if handler is None:
            # A learner's class says only what it has to say.
            return Refuse
        try:
            if ours:
                return handler(process, *args)
            return bounded.call(handler, process, *args)
        except OSError as error:
            process.log(str(error))
            process.exit(1)
        except bounded.NeverReturns as error:
            process.log(str(error))
            self.note(raised=str(error))
            process.exit(137)
        except Exception as error:
            if ours:
                raise
            process.log(f"{type(error).__name__}: {error}")
            self.note(raised=f"{type(error).__name__}: {error}")
            process.exit(1)
        return Refuse

    def add_program(self, name: str, program: type) -> None:
        """A learner's class becomes what the image of this name does (`mine` or `shop/mine`)."""
        self.note(image=name, program=program.__name__)
        self.programs[name] = program

    def exited(self, process: Process, code: int, reason: str = "") -> None:
        """The first process of a container is over, and with it the container."""
        container = self.containers[process.container_id]
        process.exited = True
        if process.partial:
            process.write("\n")
        for timer in process.timers.values():
            self.cancel(timer)
        process.timers = {}
        for protocol, port in process.ports:
            self.kernel.close(process.ip, protocol, port)
        process.ports = []
        if isinstance(container.program, CoreDns):
            self._end_component(container.program.component)
        self.cancel(container.kill_timer)
        container.kill_timer = None
        message = process.files.read("/dev/termination-log") or ""
        container.status = container.status._replace(
            state=EXITED, finished_ns=self.now, exit_code=code, message=message[:4096],
            reason=reason or ("Completed" if code == 0 else "Error"), log_tail=process.tail(),
        )  # fmt: skip
        self.promote()
        self.note(ended=container.config.name, pod=container.pod, exit_code=code)
        self.note(reason=container.status.reason)
        for session in container.sessions.values():
            self.answer(session.caller, session.call_id, Answer(True, ExecResult(137, "")))
        container.sessions = {}
        for call_id, caller in process.attached.items():
            self.answer(caller, call_id, Answer(True, ExecResult(code, "")))
        process.attached = {}
        for caller, call_id in container.waiting:
            self.answer(caller, call_id, Answer(True))
        container.waiting = []
        self.send(f"kubelet/{self.node}", "changed", container.status.pod_uid)

    def processes(self) -> tuple[str, ...]:
        """The components that run in containers of this node (servers of CoreDNS)."""
        programs = [c.program for c in self.containers.values() if c.running]
        return tuple(p.component for p in programs if isinstance(p, CoreDns) and p.component)

    def _end_component(self, name: str) -> None:
        """The server of a CoreDNS container is gone, with the ports it listened on."""
        self.world.remove(name)
        listeners = self.kernel.listeners
        for ip, protocol, port in [key for key in listeners if listeners[key].owner == name]:
            self.kernel.close(ip, protocol, port)

    def destroy(self, container: Container, reason: str = "") -> None:
        """SIGKILL: no program is asked."""
        if container.process is not None and container.running:
            self.exited(container.process, 137, reason)

    def out_of_memory(self, container_id: str) -> None:
        """The kernel kills a container that uses more memory than its limit."""
        container = self.containers.get(container_id)
        if container is not None and container.running:
            limit = container.config.memory_limit_bytes
            self.note(pod=container.pod, container=container.config.name, limit_bytes=limit)
            self.destroy(container, "OOMKilled")

    def signal(self, container_id: str, name: str) -> None:
        """A signal to the first process of a container."""
        container = self.containers.get(container_id)
        if container is None or not container.running:
            return
        if name == "SIGKILL":
            self.destroy(container)
        else:
            self.guarded(container, "signal", name)

    # Timers.

    def program_timer(self, container_id: str, name: str) -> None:
        """A timer that a program or a command in its container has set is over."""
        container = self.containers.get(container_id)
        if container is None or not container.running or container.process is None:
            return
        self.note(pod=container.pod, container=container.config.name, timer=name)
        container.process.timers.pop(name, None)
        if name in container.sessions:
            container.sessions[name].resume(0)
            self._look(container, name)
        else:
            self.guarded(container, "timer", name)

    # Ports and requests.

    def listen(self, process: Process, port: int, protocol: str) -> None:
        """A program listens: the kernel brings us what arrives. Raises OSError if it is taken."""
        pod = f"{process.namespace}/{process.pod_name}"
        token = (process.container_id, port, protocol)
        self.kernel.listen(process.ip, protocol, port, self.name, token, pod)

    def close(self, process: Process, port: int, protocol: str) -> None:
        """A program listens no longer."""
        self.kernel.close(process.ip, protocol, port)

    def serve(self, token: tuple[str, int, str], payload: Any) -> Any:
        """What the program behind a port answers: a payload, NoAnswer or Refuse."""
        container_id, port, protocol = token
        container = self.containers.get(container_id)
        if container is None or not container.running:
            return Refuse
        self.note(pod=container.pod, container=container.config.name, port=port)
        return self.guarded(container, "request", port, protocol, payload)

    def is_steady(self, token: tuple[str, int, str]) -> bool:
        """Whether the program behind a port answers the same to the same, however late."""
        container = self.containers.get(token[0])
        return container is not None and bool(getattr(container.program, "steady", False))

    def received(self, token: tuple[str, int, str], flow_id: int, payload: Any) -> None:
        """The kernel brings a request for a program."""
        reply = self.serve(token, payload)
        if reply is Refuse:
            self.note(refused=True)
            self.kernel.refuse(flow_id)
        elif reply is not NoAnswer:
            self.note(answer=str(getattr(reply, "status", reply))[:80])
            self.kernel.reply(flow_id, reply)

    # Commands beside the first process, and what commands ask of the network.

    def execute(
        self,
        container: Container,
        argv: tuple[str, ...],
        caller: str,
        call_id: int,
        stdin: str = "",
    ) -> Answer | None:
        """Runs a command in a container; None if it is not over yet."""
        if not container.running or container.process is None:
            return Answer(False, None, "container is not running")
        if not argv or not commands.understood(argv):
            word = argv[0] if argv else ""
            why = "executable file not found in $PATH"
            if "/" in word:
                why = f"stat {word}: no such file or directory"
            return Answer(False, None, f'{NO_EXEC}"{word}": {why}: unknown')
        container.last_session += 1
        key = f"exec-{container.last_session}"
        try:
            session = Session(container.process, argv, key, stdin)
        except SyntaxProblem as problem:
            text = f"sh: {problem}\n"
            return Answer(True, ExecResult(2, text, "", text))
        session.run()
        result = session.result()
        if result is not None:
            self.note(exit_code=result.exit_code, output=result.output[:200])
            return Answer(True, result)
        if container.running:
            session.caller, session.call_id = caller, call_id
            container.sessions[key] = session
            return None
        return Answer(True, ExecResult(137, ""))

    def _look(self, container: Container, key: str) -> None:
        """A command may have ended: then its caller gets the result."""
        session = container.sessions.get(key)
        result = session.result() if session else None
        if session and result is not None:
            del container.sessions[key]
            self.note(exit_code=result.exit_code, output=result.output[:200])
            self.answer(session.caller, session.call_id, Answer(True, result))

    def ask(
        self, process: Process, key: str, verb: str, name: str, *more: Any, conf: Obj = EMPTY
    ) -> None:
        """A command asks the node's network tools: `curl` a URL, `resolve` a name and type, or
        `connect` to a host, port and protocol. `conf` stands for the pod's resolv.conf."""
        config = process.sandbox.config
        token = (process.container_id, key)
        pod = f"{config.namespace}/{config.name}"
        self.send(
            f"tools/{self.node}", verb, self.name, token, pod, process.ip,
            conf or config.resolv_conf, name, *more,
        )  # fmt: skip

    def resume(
        self, token: tuple[str, str], ending: Callable[[Script, Any], int] | None, result: Any
    ) -> None:
        """A command that waited for the network goes on."""
        container = self.containers.get(token[0])
        if container is None or not container.running or container.process is None:
            return
        self.note(pod=container.pod, container=container.config.name)
        key, program = token[1], container.program
        session = container.sessions.get(key)
        script = session.script if session else None
        if script is None and isinstance(program, ShellProgram):
            script = program.script
        if script is None or not script.waiting or not script.pending:
            return
        status: Any = ending(script, result) if ending else 1
        if status is WAIT:
            # It has asked again.
            return
        if session:
            session.resume(status)
            self._look(container, key)
        else:
            program.resume(container.process, status)

    def network_failed(self, token: tuple[str, str]) -> None:
        """Nobody can carry out what a command asked of the network."""
        self.resume(token, None, None)


__all__ = ["CoreDns", "Execution", "Program"]
