"""Commands that are talked to while they run: `kubectl exec -i` and `-it`.

Output leaves as it is written, in messages `exec_output(call, stdout, stderr)` to who asked; the
end is the answer to the call. Input comes in pieces: a shell without a script carries out each line
as it is complete, any other command begins when its input is complete. With a terminal, keys are
echoed, the shell has a prompt, Ctrl-C gives up a command and Ctrl-D ends the input.

In Kubernetes: containerd's streaming server, and the line discipline of a pseudo-terminal. Left
out: window sizes, signals other than an interrupt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.runtime import commands
from kubelab.runtime.cri import Answer, ExecResult
from kubelab.runtime.execution import NO_EXEC, Execution
from kubelab.runtime.process import Process
from kubelab.runtime.session import Session
from kubelab.runtime.shell import Script
from kubelab.runtime.shelllexer import SyntaxProblem
from kubelab.runtime.shellparser import compile_script

INTERRUPT, END_OF_INPUT, ERASE = "\x03", "\x04", ("\x7f", "\b")
PROMPT = "/ # "


class Talk(Session):
    """A command with whom somebody talks."""

    def __init__(self, process: Process, argv: tuple[str, ...], key: str, tty: bool) -> None:
        super().__init__(process, argv, key)
        inner = commands.inline_script(argv)
        self.shell = inner is not None and not inner.text
        self.tty = tty
        # Text that has come in and waits for the end of its line, or of all input.
        self.buffer = ""
        self.ended = False
        self.taken = 0
        self.taken_errors = 0
        if self.shell:
            self.script = Script((("pause",),), key)
            self.script.process = process
            self.script.output = []

    def begin(self) -> None:
        """A shell waits for its first line."""
        if self.shell:
            self.script.run()
            self.prompt()

    def prompt(self) -> None:
        """A terminal shows that the shell is ready."""
        if self.tty and self.shell and self.script.paused and self.script.output is not None:
            self.script.output.append(PROMPT)

    def feed(self, text: str, end: bool) -> None:
        """More input."""
        self.ended = self.ended or end
        if self.tty:
            text = self._typed(text)
        self.buffer += text
        if self.shell:
            self.advance()
        elif self.ended:
            self.script.stdin, self.buffer = self.buffer, ""
            self.run()

    def advance(self) -> None:
        """The shell takes lines as long as it has time and there are some."""
        script = self.script
        while script.paused and not script.done:
            line, newline, rest = self.buffer.partition("\n")
            if not newline and not (self.ended and line):
                if self.ended:
                    script.paused = script.waiting = False
                    script.finish(script.status)
                return
            self.buffer = rest
            self._line(line)

    def _line(self, line: str) -> None:
        script = self.script
        try:
            code = compile_script(line)
        except SyntaxProblem as problem:
            script.error(f"sh: {problem}")
            script.status = 2
            self.prompt()
            return
        script.paused = script.waiting = False
        script.at = 0
        script.splice(code)
        script.run()
        self.prompt()

    def resume(self, status: int) -> None:
        super().resume(status)
        if self.shell:
            self.prompt()
            self.advance()

    def _typed(self, keys: str) -> str:
        """What a terminal makes of keys: lines, and what it shows of them."""
        shown = self.script.output if self.script.output is not None else []
        for key in keys:
            if key in ERASE:
                if self.buffer and not self.buffer.endswith("\n"):
                    self.buffer = self.buffer[:-1]
                    shown.append("\b \b")
            elif key == INTERRUPT:
                self.buffer = ""
                shown.append("^C\n")
                self._interrupt()
            elif key == END_OF_INPUT:
                self.ended = True
            elif key == "\r":
                shown.append("\n")
                self.buffer += "\n"
                if self.shell:
                    self.advance()
            else:
                shown.append(key)
                self.buffer += key
        return ""

    def _interrupt(self) -> None:
        script = self.script
        if self.shell and not script.paused and not script.done:
            self.process.stop_timer(self.key)
            script.waiting, script.pending = False, ()
            script.at = 0
            script.status = 130
            script.run()
            self.prompt()
        elif self.shell:
            self.prompt()
        else:
            script.finish(130)

    def news(self) -> tuple[str, str]:
        """Output and errors since the last look."""
        script = self.script
        stdout, stderr = [], []
        for piece in (script.output or [])[self.taken :]:
            errors = script.errors
            if self.taken_errors < len(errors) and piece == errors[self.taken_errors]:
                self.taken_errors += 1
                stderr.append(piece)
            else:
                stdout.append(piece)
        self.taken = len(script.output or [])
        if self.tty:
            text = "".join((script.output or [])[-len(stdout) - len(stderr) :])
            return (text.replace("\n", "\r\n") if stdout or stderr else "", "")
        return "".join(stdout), "".join(stderr)


class Interactive(Execution):
    """The part of a `Runtime` that holds such talks."""

    if TYPE_CHECKING:

        def _id(self) -> str: ...

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
            self.answer(caller, call_id, Answer(True, ExecResult(2, text, "", text)))
            return
        container.sessions[key] = (talk, caller, call_id)
        talk.begin()
        if not stdin:
            talk.feed("", True)
        self._look(container, key)

    def exec_input(self, caller: str, call_id: int, text: str, end: bool) -> None:
        """Input for a command that runs."""
        for container in self.containers.values():
            for key, (talk, who, number) in list(container.sessions.items()):
                if (who, number) == (caller, call_id) and isinstance(talk, Talk):
                    self.note(pod=container.pod, container=container.config.name)
                    talk.feed(text, end)
                    self._look(container, key)

    def exec_left(self, caller: str, call_id: int) -> None:
        """Who talked to a command has gone."""
        for container in self.containers.values():
            for key, (_, who, number) in list(container.sessions.items()):
                if (who, number) == (caller, call_id):
                    del container.sessions[key]

    def _look(self, container: Any, key: str) -> None:
        """What is new of a command: its output at once, and perhaps its end."""
        entry = container.sessions.get(key)
        if entry is None or not isinstance(entry[0], Talk):
            super()._look(container, key)
            return
        talk, caller, call_id = entry
        stdout, stderr = talk.news()
        if stdout or stderr:
            self.send(caller, "exec_output", call_id, stdout, stderr)
        if talk.script.done:
            del container.sessions[key]
            self.note(exit_code=talk.script.status)
            self.answer(caller, call_id, Answer(True, ExecResult(talk.script.status, "")))
