"""A running shell script: a place in its instructions, variables, and what it waits for.

`run` carries out instructions until the script ends or has to wait (for a `sleep`, for the
network); whoever started it calls `resume` with the status of what it waited for. A script is the
first process of a container (`ShellProgram`, which ignores SIGTERM unless it has set a trap, as
every first process does) or a command that somebody runs in one (`session.py`).

In Kubernetes: no counterpart; there, an image brings a real shell.
"""

from __future__ import annotations

from typing import Any

from kubelab.runtime import commands, control
from kubelab.runtime.files import ReadOnly, normal
from kubelab.runtime.process import Process, Program
from kubelab.runtime.shelllexer import Part, SyntaxProblem, Word
from kubelab.runtime.shellparser import Instruction, compile_command, compile_script

# A script that runs so many instructions without waiting once would never end.
LIMIT = 20_000

# A loop that waits more often than this is periodic: nobody should wait for its end.
PASSES = 20


class Script:
    """A script in the middle of its work. `status` is that of the last command."""

    def __init__(self, code: tuple[Instruction, ...], key: str, *, errexit: bool = False) -> None:
        self.code = code
        # Names the script among those of its container: where its timers and answers go.
        self.key = key
        self.errexit = errexit
        self.at = 0
        self.status = 0
        self.done = False
        self.waiting = False
        # Whether it waits for a line that somebody types.
        self.paused = False
        self.variables: dict[str, str] = {}
        self.exported: dict[str, None] = {}
        self.slots: dict[str, str] = {}
        self.lists: dict[int, list[str]] = {}
        self.passes: dict[int, int] = {}
        self.endless = False
        self.captures: list[str] = []
        # Where to go on when a shell within the script is over, the innermost last.
        self.shells: list[int] = []
        self.stdin = ""
        self.traps: dict[str, tuple[Instruction, ...]] = {}
        self.redirects: list[tuple[str, str]] = []
        # The command that waits for the network, with what its answer is printed for.
        self.pending: tuple[str, ...] = ()
        self.process: Process = None  # type: ignore[assignment]  # set by the first run
        # What an exec's answer is made of: all output, and of that what went to standard error.
        self.output: list[str] | None = None
        self.errors: list[str] = []

    # Running.

    def run(self) -> None:
        """Goes on until the script ends or waits."""
        for _ in range(LIMIT):
            if self.done or self.waiting or self.process.exited:
                return
            if self.at >= len(self.code):
                self.finish(self.status)
                return
            name, *operands = self.code[self.at]
            self.at += 1
            getattr(self, f"do_{name}")(*operands)
        self.error("sh: the script runs on and on without a pause")
        self.finish(137)

    def resume(self, status: int) -> None:
        """What the script waited for is over."""
        if self.waiting and not self.done:
            self.waiting = False
            self._complete(status)
            self.run()

    def interrupt(self, code: tuple[Instruction, ...]) -> None:
        """A trap: its commands run now, then the script goes on behind what it waited for."""
        self.waiting = False
        self._complete(143)
        self.splice(code)
        self.run()

    def splice(self, code: tuple[Instruction, ...], *, shell: bool = False) -> None:
        """These instructions run next, then those that were due; `exit` ends only an own shell."""
        end = len(self.code)
        back = ("leave",) if shell else ("jump", self.at)
        self.code = (*self.code, ("end",), *_moved(code, end + 1), back)
        if shell:
            self.shells.append(self.at)
        self.at = end + 1

    def leave(self, status: int) -> None:
        """`exit`: the innermost shell is over, or the script."""
        if self.shells:
            self.at = self.shells.pop()
            self.status = status
        else:
            self.finish(status)

    def finish(self, status: int) -> None:
        """The script is over."""
        self.status = status
        self.done = True

    @property
    def periodic(self) -> bool:
        """Whether the script is in a loop that goes on and on."""
        return self.endless or any(count > PASSES for count in self.passes.values())

    # Output.

    def write(self, text: str) -> None:
        """Standard output: into a capture, a redirection, an exec's answer, or the log."""
        if self.captures:
            self.captures[-1] += text
        elif self.output is not None:
            self.output.append(text)
        else:
            self.process.write(text)

    def error(self, line: str) -> None:
        """Standard error; it goes where the output goes, except into a capture."""
        kinds = [kind for kind, _ in self.redirects]
        if any(kind.startswith("2>") and kind != "2>&1" for kind in kinds):
            return
        if "2>&1" in kinds:
            self.write(f"{line}\n")
        elif self.output is not None:
            self.output.append(f"{line}\n")
            self.errors.append(f"{line}\n")
        else:
            self.process.write(f"{line}\n")

    # Instructions.

    def do_run(
        self,
        words: tuple[Word, ...],
        redirects: tuple[tuple[str, Word], ...],
        assigned: tuple[tuple[str, Word], ...],
    ) -> None:
        """One simple command."""
        values = [(name, "".join(self.expand(word)[:1])) for name, word in assigned]
        argv = [text for word in words for text in self.expand(word)]
        self.redirects = [(kind, "".join(self.expand(word)[:1])) for kind, word in redirects]
        self.variables.update(values)
        into = self._into()
        if into is not None:
            self.captures.append("")
        if any(kind.endswith("<") for kind, _ in self.redirects):
            self.stdin = self.process.files.read(self.redirects[-1][1]) or ""
        if not argv:
            outputs = any(part.kind == "output" for _, word in assigned for part in word)
            self._complete(self.status if outputs else 0)
            return
        status = commands.call(self, argv)
        if status is control.WAIT:
            self.waiting = True
        else:
            self._complete(int(status))

    def _into(self) -> tuple[str, str] | None:
        """The redirection of standard output to a file, if there is one."""
        for kind, path in self.redirects:
            if kind in (">", ">>", "1>", "1>>", "&>"):
                return kind, path
        return None

    def _complete(self, status: int) -> None:
        """A command is over: its output goes to the file that it was sent to."""
        into = self._into()
        self.status = status
        self.stdin = ""
        if into is not None and self.captures:
            kind, path = into
            text = self.captures.pop()
            self.redirects = []
            try:
                if path != "/dev/null":
                    path = normal(path, self.process.config.working_dir or "/")
                    self.process.files.write(path, text, append=kind.endswith(">>"))
            except ReadOnly:
                self.error(f"sh: can't create {path}: Read-only file system")
                self.status = 1
            except FileNotFoundError:
                self.error(f"sh: can't create {path}: nonexistent directory")
                self.status = 1
        self.redirects = []

    def do_leave(self) -> None:
        """The end of a shell within the script."""
        self.leave(self.status)

    def do_pause(self) -> None:
        """A shell that is talked to is ready for its next line."""
        self.paused = self.waiting = True

    def do_end(self) -> None:
        """The script's end, when more instructions were put behind it."""
        self.finish(self.status)

    def do_capture(self) -> None:
        """Output is collected from here on."""
        self.captures.append("")

    def do_captured(self, slot: str) -> None:
        """What was collected becomes part of a word."""
        self.slots[slot] = self.captures.pop().rstrip("\n")

    def do_pipe(self) -> None:
        """What was collected is the input of the next command."""
        self.stdin = self.captures.pop()

    def do_jump(self, place: int) -> None:
        """Goes to a place."""
        self.at = place

    def do_fail(self, place: int) -> None:
        """Goes to a place if the last command failed."""
        if self.status:
            self.at = place

    def do_ok(self, place: int) -> None:
        """Goes to a place if the last command did not fail."""
        if not self.status:
            self.at = place

    def do_not(self) -> None:
        """Turns the status round."""
        self.status = int(not self.status)

    def do_status(self, status: int) -> None:
        """Sets the status."""
        self.status = status

    def do_errexit(self) -> None:
        """With `set -e` a failure ends the script."""
        if self.errexit and self.status:
            self.leave(self.status)

    def do_loop(self, key: int, endless: bool) -> None:
        """One more pass of a loop."""
        count = self.passes[key] = self.passes.get(key, 0) + 1
        self.endless = self.endless or (endless and count > 1)

    def do_for(self, slot: int, words: tuple[Word, ...]) -> None:
        """Begins a loop over words."""
        self.lists[slot] = [text for word in words for text in self.expand(word)]

    def do_next(self, place: int, slot: int, name: str) -> None:
        """The next word of a loop, or its end."""
        if self.lists[slot]:
            self.variables[name] = self.lists[slot].pop(0)
        else:
            del self.lists[slot]
            self.status = 0
            self.at = place

    # Words.

    def expand(self, word: Word) -> list[str]:
        """The words that a word stands for: unquoted expansions are split at blanks."""
        done: list[str] = []
        current: str | None = None
        for part in word:
            text = self.value(part)
            if part.quoted or part.kind == "text":
                current = (current or "") + text
                continue
            pieces = text.split()
            if not pieces:
                continue
            if text[0] in " \t\n" and current is not None:
                done.append(current)
                current = None
            current = (current or "") + pieces[0]
            for piece in pieces[1:]:
                done.append(current)
                current = piece
        return done if current is None else [*done, current]

    def value(self, part: Part) -> str:
        """The text of one part of a word."""
        if part.kind == "text":
            return part.text
        if part.kind == "output":
            return self.slots.get(part.text, "")
        if part.kind == "sum":
            return control.arithmetic(self, part.text)
        return self.variable(part.text) or part.default

    def variable(self, name: str) -> str:
        """The value of a variable: the script's own, else the environment's."""
        if name == "?":
            return str(self.status)
        if name in self.variables:
            return self.variables[name]
        if name == "HOSTNAME":
            return self.process.pod_name
        return self.process.env.get(name, "")


def _moved(code: tuple[Instruction, ...], offset: int) -> tuple[Instruction, ...]:
    """Instructions put elsewhere: their jumps are shifted."""
    return tuple(
        (name, rest[0] + offset, *rest[1:])
        if name in ("jump", "fail", "ok", "next")
        else (name, *rest)
        for name, *rest in code
    )


def script_of(argv: tuple[str, ...], key: str) -> Script:
    """The script of a command line: a shell with `-c`, or one command. Raises SyntaxProblem."""
    inner = commands.inline_script(argv)
    if inner is None:
        return Script(compile_command(argv), key)
    return Script(compile_script(inner.text), key, errexit="e" in inner.flags)


class ShellProgram(Program):
    """A container whose first process is a shell, or one of its commands."""

    def __init__(self, argv: tuple[str, ...]) -> None:
        self.argv = argv
        self.script: Script | None = None

    def start(self, process: Process) -> None:
        try:
            self.script = script_of(self.argv, "main")
        except SyntaxProblem as problem:
            process.log(f"sh: {problem}")
            process.exit(2)
            return
        self.script.process = process
        self.script.run()
        self._look(process)

    def _look(self, process: Process) -> None:
        if self.script is not None and self.script.done:
            process.exit(self.script.status)

    def resume(self, process: Process, status: int) -> None:
        """What the script waited for is over."""
        if self.script is not None:
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
