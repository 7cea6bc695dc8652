"""Commands that are talked to while they run: `kubectl exec -i` and `-it`, and `kubectl attach`.

Output leaves as it is written, in messages `exec_output(call, stdout, stderr)` to who asked; the
end is the answer to the call. Input comes by `exec_input`, the size of a window by `exec_size`.
Whoever is attached to the first process of a container sees what it writes from then on, without
what it wrote before, and is told when it ends.

In Kubernetes: containerd's streaming server (Exec and Attach of the CRI).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kubelab.runtime import commands
from kubelab.runtime.container import Container
from kubelab.runtime.cri import Answer, ExecResult
from kubelab.runtime.execution import NO_EXEC, Execution
from kubelab.runtime.process import Process
from kubelab.runtime.shelllexer import SyntaxProblem
from kubelab.runtime.shellprogram import ShellProgram
from kubelab.runtime.talk import Talk


class Interactive(Execution):
    """The part of a `Runtime` that holds such talks."""

    if TYPE_CHECKING:

        def _id(self) -> str: ...

    # Commands.

    def exec_stream(
        self,
        caller: str,
        call_id: int,
        container_id: str,
        command: tuple[str, ...],
        stdin: bool,
        tty: bool,
    ) -> None:
        """Runs a command whose output is wished as it comes; `stdin`: input will follow."""
        container = self.containers.get(container_id)
        if container is None or not container.running or container.process is None:
            self.answer(caller, call_id, Answer(False, None, "container is not running"))
            return
        self.note(pod=container.pod, container=container.config.name)
        self.note(command=" ".join(command)[:200])
        if not commands.understood(command):
            why = "executable file not found in $PATH"
            if "/" in command[0]:
                why = f"stat {command[0]}: no such file or directory"
            text = f'failed to exec in container: failed to start exec "{self._id()}": '
            text += f'{NO_EXEC}"{command[0]}": {why}: unknown'
            self.answer(caller, call_id, Answer(False, None, text))
            return
        container.last_session += 1
        key = f"exec-{container.last_session}"
        try:
            talk = Talk(container.process, command, key, tty)
        except SyntaxProblem as problem:
            text = f"sh: {problem}\n"
            self.send(caller, "exec_output", call_id, "", text)
            self.answer(caller, call_id, Answer(True, ExecResult(2, "")))
            return
        talk.caller, talk.call_id = caller, call_id
        container.sessions[key] = talk
        talk.script.live = stdin
        talk.ended = not stdin
        talk.begin()
        talk.advance()
        self._look(container, key)

    def exec_input(self, caller: str, call_id: int, text: str, end: bool) -> None:
        """Input for a command that runs, or for a first process from who is attached to it."""
        for container in self.containers.values():
            for key, talk in list(container.sessions.items()):
                if talk.belongs(caller, call_id) and isinstance(talk, Talk):
                    self._heard(container, text, end)
                    talk.feed(text, end)
                    self._look(container, key)
                    return
            if container.process is not None and container.process.attached.get(call_id) == caller:
                self._heard(container, text, end)
                self._attached_input(container, container.process, call_id, text, end)
                return

    def _heard(self, container: Container, text: str, end: bool) -> None:
        self.note(pod=container.pod, container=container.config.name)
        self.note(bytes=len(text), end=end)

    def exec_size(self, caller: str, call_id: int, text: str, end: bool) -> None:
        """The window of whoever talks has another size: `{"Width": 80, "Height": 24}`."""
        try:
            size = json.loads(text)
            wide, high = int(size["Width"]), int(size["Height"])
        except (ValueError, TypeError, KeyError):
            return
        for container in self.containers.values():
            for talk in container.sessions.values():
                if talk.belongs(caller, call_id):
                    self._sized(talk.script, wide, high)
            process, program = container.process, container.program
            if process is not None and process.attached.get(call_id) == caller:
                if isinstance(program, ShellProgram) and program.script is not None:
                    self._sized(program.script, wide, high)

    def _sized(self, script: Any, wide: int, high: int) -> None:
        self.note(columns=wide, lines=high)
        script.variables.update(COLUMNS=str(wide), LINES=str(high))

    def exec_left(self, caller: str, call_id: int) -> None:
        """Who talked to a command or was attached has gone."""
        for container in self.containers.values():
            for key, session in list(container.sessions.items()):
                if session.belongs(caller, call_id):
                    del container.sessions[key]
            if container.process is not None:
                container.process.attached.pop(call_id, None)

    def _look(self, container: Any, key: str) -> None:
        """What is new of a command: its output at once, and perhaps its end."""
        talk = container.sessions.get(key)
        if not isinstance(talk, Talk):
            super()._look(container, key)
            return
        caller, call_id = talk.caller, talk.call_id
        for stdout, stderr in talk.news():
            self.send(caller, "exec_output", call_id, stdout, stderr)
        if talk.script.done:
            del container.sessions[key]
            self.note(exit_code=talk.script.status)
            self.answer(caller, call_id, Answer(True, ExecResult(talk.script.status, "")))

    # The first process.

    def attach(self, caller: str, call_id: int, container_id: str) -> None:
        """What the first process writes from now on; the answer comes when it has ended."""
        container = self.containers.get(container_id)
        if container is None or not container.running or container.process is None:
            self.answer(caller, call_id, Answer(False, None, "container is not running"))
            return
        self.note(pod=container.pod, container=container.config.name)
        container.process.attached[call_id] = caller

    def _attached_input(
        self, container: Container, process: Process, call_id: int, text: str, end: bool
    ) -> None:
        """Keys and texts for a first process; at their end it depends on the container."""
        config = container.config
        ends = end and config.stdin_once and not config.tty
        if isinstance(container.program, ShellProgram) and config.stdin and (text or ends):
            container.program.feed(process, text, ends)
        if end and not ends and call_id in process.attached:
            # The input stays open for the next who attaches; this one has seen enough.
            caller = process.attached.pop(call_id)
            self.answer(caller, call_id, Answer(True, ExecResult(0, "")))

    def spoken(self, process: Process, text: str) -> None:
        """A first process has written something: who is attached gets it."""
        if process.config.tty:
            text = text.replace("\n", "\r\n")
        for call_id, caller in process.attached.items():
            self.send(caller, "exec_output", call_id, text, "")
