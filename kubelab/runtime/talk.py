"""A command with whom somebody talks while it runs, perhaps over a terminal.

Input comes in pieces: a shell without a script carries out each line as it is complete, and any
other command begins at once and waits when it wants input that is not there yet. With a terminal,
keys are echoed, the shell has a prompt, Ctrl-C gives up a command and Ctrl-D ends the input. What
is written is kept for whoever asks for `news`, or goes to the log of a container whose first
process the command is.

In Kubernetes: the line discipline of a pseudo-terminal, and the prompts of busybox' and Debian's
shells. Left out: signals other than an interrupt, the history of lines.
"""

from __future__ import annotations

from kubelab.runtime import commands, images
from kubelab.runtime.process import Process
from kubelab.runtime.session import Session
from kubelab.runtime.shell import Script
from kubelab.runtime.shelllexer import SyntaxProblem
from kubelab.runtime.shellparser import compile_script

INTERRUPT, END_OF_INPUT, ERASE = "\x03", "\x04", ("\x7f", "\b")
INTERRUPTED = 130
# Images with busybox' shell, which shows where it is.
BUSYBOX = ("busybox", "alpine", "curl")


class Talk(Session):
    """A command with its input and its terminal. Raises SyntaxProblem for a script that is none."""

    def __init__(
        self, process: Process, argv: tuple[str, ...], key: str, tty: bool, *, logged: bool = False
    ) -> None:
        inner = commands.inline_script(argv)
        self.shell = inner is not None and inner.talks
        super().__init__(process, argv, key)
        if self.shell:
            self.script = Script((("pause",),), key)
            self.script.process = process
            self.script.output = []
        if logged:
            self.script.output = None
        self.name = commands.base(argv[0])
        self.tty = tty
        self.script.live = True
        # The line that is being typed; what is complete is the script's input.
        self.line = ""
        self.ended = False
        self.taken = 0
        self.taken_errors = 0

    def begin(self) -> None:
        """A shell waits for its first line, any other command runs."""
        self.script.run()
        self.prompt()

    def show(self, text: str) -> None:
        """Writes to the terminal."""
        if self.script.output is not None:
            self.script.output.append(text)
        else:
            self.process.write(text)

    def prompt(self) -> None:
        """A terminal shows that the shell is ready."""
        if self.tty and self.shell and self.script.paused and not self.script.done:
            self.show(self._prompt())

    def _prompt(self) -> str:
        where = self.script.directory
        if images.parse(self.process.config.image).last in BUSYBOX or self.name == "ash":
            return f"{where} # "
        return f"root@{self.process.pod_name}:{where}# " if self.name == "bash" else "# "

    def feed(self, text: str, end: bool) -> None:
        """More input."""
        if self.tty:
            self._typed(text)
        else:
            self.script.inputs[0] += text
        if end:
            self._end()
        self.advance()

    def _end(self) -> None:
        """No more will come."""
        self.script.inputs[0] += self.line
        self.line, self.ended = "", True
        self.script.live = False

    def advance(self) -> None:
        """The command takes what there is, and the shell its lines, as long as it has time."""
        script = self.script
        if script.reading:
            script.supplied()
            self.prompt()
        while self.shell and script.paused and not script.done:
            line = script.take_line()
            if not line:
                if self.ended:
                    script.paused = script.waiting = False
                    script.finish(script.status)
                return
            self._carry_out(line.rstrip("\n"))

    def _carry_out(self, line: str) -> None:
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
        self.prompt()
        self.advance()

    def _typed(self, keys: str) -> None:
        """What a terminal makes of keys: lines, and what it shows of them."""
        for key in keys:
            if key in ERASE:
                if self.line:
                    self.line = self.line[:-1]
                    self.show("\b \b")
            elif key == INTERRUPT:
                self.line = ""
                self.show("^C\n")
                self._interrupt()
            elif key == END_OF_INPUT:
                self._end_of_input()
            elif key in "\r\n":
                self.show("\n")
                self.script.inputs[0] += self.line + "\n"
                self.line = ""
                self.advance()
            else:
                self.show(key)
                self.line += key

    def _end_of_input(self) -> None:
        """Ctrl-D: hands over the line as it is; with none, the command that reads has its end."""
        script = self.script
        if self.line:
            script.inputs[0] += self.line
            self.line = ""
        elif script.reading and self.shell:
            script.live = False
            script.supplied()
            script.live = True
            self.prompt()
        else:
            self._end()

    def _interrupt(self) -> None:
        script = self.script
        if not self.shell:
            script.finish(INTERRUPTED)
            return
        script.inputs[0] = ""
        if not script.paused and not script.done:
            self.process.stop_timer(self.key)
            script.waiting, script.pending, script.reading = False, (), ()
            while len(script.frames) > 1:
                script.restore()
            script.captures = []
            script.framed = False
            script.at = 0
            script.status = INTERRUPTED
            script.run()
        self.prompt()

    def news(self) -> list[tuple[str, str]]:
        """Output and errors since the last look, in the order in which they were written."""
        pieces = (self.script.output or [])[self.taken :]
        self.taken += len(pieces)
        if self.tty:
            text = "".join(pieces).replace("\n", "\r\n")
            return [(text, "")] if text else []
        found: list[tuple[str, str]] = []
        errors = self.script.errors
        for piece in pieces:
            wrong = self.taken_errors < len(errors) and piece == errors[self.taken_errors]
            self.taken_errors += wrong
            stdout, stderr = found[-1] if found else ("", "")
            if found and bool(stderr) == wrong:
                found[-1] = (stdout, stderr + piece) if wrong else (stdout + piece, stderr)
            else:
                found.append(("", piece) if wrong else (piece, ""))
        return found
