"""A container whose first process is a shell, or one of its commands.

As every first process it ignores SIGTERM unless it has set a trap. A container that keeps its input
open (`stdin: true`) is talked to: what somebody who is attached types reaches the process, and a
shell without a script waits for it; without that the input is at its end at once.

In Kubernetes: no counterpart; there, an image brings a real shell.
"""

from __future__ import annotations

from typing import Any

from kubelab.runtime.process import Process, Program
from kubelab.runtime.shell import Script, script_of
from kubelab.runtime.shelllexer import SyntaxProblem
from kubelab.runtime.talk import Talk


class ShellProgram(Program):
    """The first process of a container, as a script."""

    def __init__(self, argv: tuple[str, ...]) -> None:
        self.argv = argv
        self.script: Script | None = None
        self.talk: Talk | None = None

    def start(self, process: Process) -> None:
        try:
            if process.config.stdin:
                self.talk = Talk(process, self.argv, "main", process.config.tty, logged=True)
                self.script = self.talk.script
            else:
                self.script = script_of(self.argv, "main")
        except SyntaxProblem as problem:
            process.log(f"sh: {problem}")
            process.exit(2)
            return
        self.script.process = process
        if self.talk is not None:
            self.talk.begin()
        else:
            self.script.run()
        self._look(process)

    def feed(self, process: Process, text: str, end: bool) -> None:
        """Input from somebody who is attached."""
        if self.talk is not None:
            self.talk.feed(text, end)
            self._look(process)

    def _look(self, process: Process) -> None:
        if self.script is not None and self.script.done:
            process.exit(self.script.status)

    def resume(self, process: Process, status: int) -> None:
        """What the script waited for is over."""
        if self.talk is not None:
            self.talk.resume(status)
        elif self.script is not None:
            self.script.resume(status)
        self._look(process)

    def timer(self, process: Process, name: str) -> None:
        self.resume(process, 0)

    def signal(self, process: Process, name: str) -> None:
        script = self.script
        trap = script.traps.get(name.removeprefix("SIG")) if script is not None else None
        if script is not None and trap is not None:
            process.stop_timer("main")
            script.interrupt(trap)
            self._look(process)


def describe(program: Any) -> str:
    """The name of a program for the trace."""
    if isinstance(program, ShellProgram):
        return " ".join(program.argv)[:80]
    return type(program).__name__
