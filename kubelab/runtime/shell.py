"""A running shell script: a place in its instructions, variables, and what it waits for.

`run` carries out instructions until the script ends or has to wait (for a `sleep`, for the
network); whoever started it calls `resume` with the status of what it waited for, or `supplied`
when it waits for input and there is more. A script is the first process of a container
(`shellprogram.py`) or a command that somebody runs in one (`session.py`).

In Kubernetes: no counterpart; there, an image brings a real shell.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from kubelab.runtime import commands, control
from kubelab.runtime.expansion import Expansion
from kubelab.runtime.files import normal
from kubelab.runtime.process import Process
from kubelab.runtime.shelllexer import SyntaxProblem, Word
from kubelab.runtime.shellparser import Instruction, compile_command, compile_script

# A script that runs so many instructions without waiting once would never end.
LIMIT = 20_000

# A loop that waits more often than this is periodic: nobody should wait for its end.
PASSES = 20


class Script(Expansion):
    """A script in the middle of its work. `status` is that of the last command."""

    def __init__(self, code: tuple[Instruction, ...], key: str, *, errexit: bool = False) -> None:
        super().__init__()
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
        # Variables as they were before a command that has some of its own.
        self.before: dict[str, str | None] = {}
        self.slots: dict[str, str] = {}
        self.functions: dict[str, tuple[Instruction, ...]] = {}
        self.lists: dict[int, list[str]] = {}
        self.passes: dict[int, int] = {}
        self.endless = False
        # Where to go on when a shell or a function within the script is over, and with how many
        # frames; and whether it is a function, which has parameters of its own meanwhile.
        self.shells: list[tuple[int, int, tuple[tuple[str, str], ...] | None]] = []
        self.traps: dict[str, tuple[Instruction, ...]] = {}
        # Whether the command that runs has a frame of its own.
        self.framed = False
        # The command that waits for the network, with what its answer is printed for.
        self.pending: tuple[str, ...] = ()
        # The command that waits for more input.
        self.reading: tuple[str, ...] = ()
        self.process: Process = None  # type: ignore[assignment]  # set by the first run

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

    def splice(
        self,
        code: tuple[Instruction, ...],
        *,
        shell: bool = False,
        parameters: tuple[tuple[str, str], ...] | None = None,
    ) -> None:
        """These instructions run next, then those that were due; `exit` ends only an own shell.

        `parameters` are what `$1` and its kin are again when a function is over.
        """
        end = len(self.code)
        back = ("leave",) if shell else ("jump", self.at)
        self.code = (*self.code, ("end",), *_moved(code, end + 1), back)
        if shell:
            # The frame of the command is the shell's from now on, and goes with it.
            self.shells.append((self.at, len(self.frames) - self.framed, parameters))
            self.framed = False
        self.at = end + 1

    def leave(self, status: int) -> None:
        """`exit`: the innermost shell is over, or the script."""
        while self.shells and self.shells[-1][2] is not None:
            self.back(status)
        if self.shells:
            self.back(status)
        else:
            self.finish(status)

    def back(self, status: int) -> None:
        """The innermost shell or function is over."""
        self.at, depth, parameters = self.shells.pop()
        while len(self.frames) > depth:
            self.restore()
        self.status = status
        if parameters is not None:
            self.variables.update(parameters)

    def finish(self, status: int) -> None:
        """The script is over."""
        self.status = status
        self.done = True

    @property
    def periodic(self) -> bool:
        """Whether the script is in a loop that goes on and on."""
        return self.endless or any(count > PASSES for count in self.passes.values())

    # Instructions.

    def do_run(
        self,
        words: tuple[Word, ...],
        redirects: tuple[tuple[str, Word], ...],
        assigned: tuple[tuple[str, Word], ...],
    ) -> None:
        """One simple command."""
        values = {name: "".join(self.expand(word)[:1]) for name, word in assigned}
        argv = [text for word in words for text in self.expand(word)]
        if self.done:
            # A word that could not be expanded has ended the script.
            return
        if redirects and not self._redirect(redirects):
            self.status = 1
            return
        self.framed = bool(redirects)
        if not argv:
            self.variables.update(values)
            outputs = any(part.kind == "output" for _, word in assigned for part in word)
            self._complete(self.status if outputs else 0)
            return
        self.before = {name: self.variables.get(name) for name in values}
        self.variables.update(values)
        self._ran(argv, commands.call(self, argv))

    def _redirect(self, redirects: tuple[tuple[str, Word], ...]) -> bool:
        targets = [
            (kind, "".join(self.expand(word) if "<<" not in kind else map(self.value, word)))
            for kind, word in redirects
        ]
        problem = self.redirect(targets, self.directory)
        if problem:
            self.error(problem)
        return not problem

    def _ran(self, argv: list[str], status: Any) -> None:
        """A command is over, or waits for time, the network or more input."""
        self.reading = tuple(argv) if status is control.READ else ()
        self.waiting = status in (control.WAIT, control.READ)
        if not self.waiting:
            self._complete(int(status))

    def supplied(self) -> None:
        """There is more input, or it is at its end: the command that waited for it looks again."""
        if self.reading and not self.done:
            argv = list(self.reading)
            self._ran(argv, commands.call(self, argv))
            self.run()

    def _complete(self, status: int) -> None:
        """A command is over: what it had of its own is gone."""
        self.status = status
        if self.framed:
            self.framed = False
            self.restore()
        for name, value in self.before.items():
            if value is None:
                self.variables.pop(name, None)
            else:
                self.variables[name] = value
        self.before = {}

    def do_redirect(self, redirects: tuple[tuple[str, Word], ...], end: int) -> None:
        """The redirections of a group or a loop; without their files it is passed over."""
        if not self._redirect(redirects):
            self.status = 1
            self.at = end

    def do_restore(self) -> None:
        """The group is over."""
        self.restore()

    def do_source(self, path: str, own: bool) -> None:
        """The commands in a file; `own`: they are a shell of their own."""
        text = self.process.files.read(normal(path, self.directory))
        if text is None:
            self.error(f"sh: can't open '{path}': No such file or directory")
            self.leave(2)
            return
        try:
            self.splice(compile_script(text, f"{len(self.code)}."), shell=own)
        except SyntaxProblem as problem:
            self.error(f"{path}: {problem}")
            self.leave(2)

    def do_leave(self) -> None:
        """The end of a shell or a function within the script."""
        self.back(self.status)

    def do_define(self, name: str, body: tuple[Instruction, ...]) -> None:
        """A function."""
        self.functions[name] = body
        self.status = 0

    def do_case(self, slot: str, word: Word) -> None:
        """The word of a `case`."""
        self.slots[slot] = "".join(self.value(part) for part in word)

    def do_match(self, place: int, slot: str, patterns: tuple[Word, ...]) -> None:
        """Goes to a place unless one of the patterns fits the word."""
        texts = ["".join(self.value(part) for part in pattern) for pattern in patterns]
        if not any(fnmatchcase(self.slots[slot], text) for text in texts):
            self.at = place

    def do_pause(self) -> None:
        """A shell that is talked to is ready for its next line."""
        self.paused = self.waiting = True

    def do_end(self) -> None:
        """The script's end, when more instructions were put behind it."""
        self.finish(self.status)

    def do_capture(self) -> None:
        """Output is collected from here on."""
        self.capture()

    def do_captured(self, slot: str) -> None:
        """What was collected becomes part of a word."""
        self.slots[slot] = self.captured().rstrip("\n")

    def do_pipe(self, further: bool) -> None:
        """What was collected is the input of the next part of a pipe."""
        text = self.captured()
        if further:
            self.restore()
        self.feed(text)

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


def _moved(code: tuple[Instruction, ...], offset: int) -> tuple[Instruction, ...]:
    """Instructions put elsewhere: their jumps are shifted."""
    return tuple(
        (name, rest[0] + offset, *rest[1:])
        if name in ("jump", "fail", "ok", "match", "for")
        else (name, rest[0] + offset, rest[1] + offset, rest[2])
        if name == "next"
        else (name, rest[0], rest[1] + offset)
        if name == "redirect"
        else (name, *rest)
        for name, *rest in code
    )


def script_of(argv: tuple[str, ...], key: str) -> Script:
    """The script of a command line: a shell's, or one command. Raises SyntaxProblem."""
    inner = commands.inline_script(argv)
    if inner is None:
        return Script(compile_command(argv), key)
    code = (("source", inner.file, False),) if inner.file else compile_script(inner.text)
    script = Script(code, key, errexit="e" in inner.flags)
    script.variables.update(inner.parameters)
    return script
