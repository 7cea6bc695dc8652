"""The standard streams of a script: where its input comes from, and where what it writes goes.

Output and errors each have a route: to whoever ran the script, into a file, to where a pipe or a
`$(…)` collects it, or nowhere. A command with redirections, a group with some, and each part of a
pipe has a frame with routes of its own, which is taken off again behind it. Input is a text; that
of the script itself may still be `live`: then more may come, and a command that wants more waits.

In Kubernetes: no counterpart; there, a shell's file descriptors 0, 1 and 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from kubelab.runtime.files import ReadOnly, normal
from kubelab.runtime.process import Process

_REDIRECT = re.compile(r"(\d?|&)(>>|>|<<|<)(?:&(\d))?")


class Route(NamedTuple):
    """A way out: `kind` is out, err, capture (with its place), file, log or null."""

    kind: str
    path: str = ""
    place: int = 0


class Frame(NamedTuple):
    """The routes of output and errors, and how many inputs there were before."""

    out: Route
    err: Route
    inputs: int


OUT, ERR, NULL, LOG = Route("out"), Route("err"), Route("null"), Route("log")
DEVICES = {"/dev/null": NULL, "/proc/1/fd/1": LOG, "/proc/1/fd/2": LOG}


class Standard:
    """The streams of a script; a part of `Script`."""

    process: Process

    def __init__(self) -> None:
        # What an exec's answer is made of: all output, and of that what went to standard error.
        # Without it what is written goes to the container's log.
        self.output: list[str] | None = None
        self.errors: list[str] = []
        self.frames = [Frame(OUT, ERR, 1)]
        self.captures: list[str] = []
        self.inputs = [""]
        self.live = False

    # Output.

    def write(self, text: str) -> None:
        """Standard output."""
        self._emit(self.frames[-1].out, text)

    def error(self, line: str) -> None:
        """A line on standard error."""
        self._emit(self.frames[-1].err, f"{line}\n")

    def _emit(self, route: Route, text: str) -> None:
        if route.kind == "capture":
            self.captures[route.place] += text
        elif route.kind == "file":
            self._append(route.path, text)
        elif route.kind == "log" or (route.kind != "null" and self.output is None):
            self.process.write(text)
        elif self.output is not None and route.kind != "null":
            self.output.append(text)
            if route.kind == "err":
                self.errors.append(text)

    def _append(self, path: str, text: str) -> None:
        try:
            self.process.files.write(path, text, append=True)
        except (ReadOnly, FileNotFoundError):
            # It was there when it was opened: somebody has taken it away since.
            return

    # Frames.

    def redirect(self, redirects: Sequence[tuple[str, str]], directory: str) -> str:
        """Puts up a frame; returns what is wrong, if one of the files cannot be opened."""
        out, err, _ = self.frames[-1]
        given: str | None = None
        for text, target in redirects:
            found = _REDIRECT.match(text)
            number, operator, other = found.groups() if found else ("", ">", None)
            if operator.startswith("<"):
                given = target
                if operator == "<":
                    read = self.process.files.read(normal(target, directory))
                    if read is None and target != "/dev/null":
                        return f"sh: can't open {target}: no such file"
                    given = read or ""
                continue
            route: Route | str = {"1": out, "2": err}.get(other or "", "")
            if not other:
                route = self._opened(normal(target, directory), operator == ">>", out, err)
            if isinstance(route, str):
                return f"sh: can't create {target}: {route or 'bad file descriptor'}"
            if number in ("", "1", "&"):
                out = route
            if number in ("2", "&"):
                err = route
        self.frames.append(Frame(out, err, len(self.inputs)))
        if given is not None:
            self.inputs.append(given)
        return ""

    def _opened(self, path: str, append: bool, out: Route, err: Route) -> Route | str:
        """The route into a file, or why there is none."""
        known = {**DEVICES, "/dev/stdout": out, "/dev/stderr": err}.get(path)
        if known is not None:
            return known
        try:
            if self.process.files.is_directory(path):
                return "Is a directory"
            self.process.files.write(path, "", append=append)
        except ReadOnly:
            return "Read-only file system"
        except FileNotFoundError:
            return "nonexistent directory"
        return Route("file", path)

    def restore(self) -> None:
        """Takes the newest frame off, with the input that came with it."""
        if len(self.frames) > 1:
            frame = self.frames.pop()
            del self.inputs[frame.inputs :]

    def capture(self) -> None:
        """What is written from here on is collected."""
        self.captures.append("")
        route = Route("capture", "", len(self.captures) - 1)
        self.frames.append(Frame(route, self.frames[-1].err, len(self.inputs)))

    def captured(self) -> str:
        """Ends the newest collection; returns what it has collected."""
        self.restore()
        return self.captures.pop()

    def feed(self, text: str) -> None:
        """A frame whose input is a text."""
        out, err, _ = self.frames[-1]
        self.frames.append(Frame(out, err, len(self.inputs)))
        self.inputs.append(text)

    # Input.

    @property
    def expects(self) -> bool:
        """Whether more input may come for the command that runs now."""
        return self.live and len(self.inputs) == 1

    def take_all(self) -> str | None:
        """The whole input; None while more may come."""
        return None if self.expects else self.take_some()

    def take_some(self) -> str:
        """What there is of the input."""
        text, self.inputs[-1] = self.inputs[-1], ""
        return text

    def take_line(self) -> str | None:
        """The next line with its end; None while it is not complete, empty at the end."""
        text = self.inputs[-1]
        line, newline, rest = text.partition("\n")
        if not newline and self.expects:
            return None
        self.inputs[-1] = rest
        return line + newline
