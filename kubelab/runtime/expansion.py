"""What the words of a script stand for: variables, sums, the output of commands, files by pattern.

Unquoted expansions are split at blanks, and a word with an unquoted pattern becomes the files that
it names. The output of a command has been collected before (`Compiler.expand`); here it is put in.

In Kubernetes: no counterpart; there, an image brings a real shell.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from kubelab.runtime import control
from kubelab.runtime.files import normal
from kubelab.runtime.shelllexer import Part, Word
from kubelab.runtime.standard import Standard


class Expansion(Standard):
    """The part of a `Script` that expands words."""

    status: int
    variables: dict[str, str]
    slots: dict[str, str]

    def leave(self, status: int) -> None:
        """Ends the shell; see `Script`."""
        raise NotImplementedError

    @property
    def directory(self) -> str:
        """The directory in which the script is."""
        return self.variables.get("PWD") or self.process.config.working_dir or "/"

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
        done = done if current is None else [*done, current]
        if any(not part.quoted and set("*?[") & set(part.text) for part in word):
            return [path for text in done for path in self._matching(text)]
        return done

    def _matching(self, pattern: str) -> list[str]:
        """The files that a pattern names; the pattern itself where there are none."""
        folder, slash, last = pattern.rpartition("/")
        names = self.process.files.names(normal(folder or slash or ".", self.directory))
        hidden = last.startswith(".")
        found = [f"{folder}{slash}{name}" for name in names
                 if fnmatchcase(name, last) and (hidden or not name.startswith("."))]  # fmt: skip
        return found or [pattern]

    def value(self, part: Part) -> str:
        """The text of one part of a word."""
        if part.kind == "text":
            return part.text
        if part.kind == "output":
            return self.slots.get(part.text, "")
        if part.kind == "sum":
            return control.arithmetic(self, part.text)
        return self.operated(part, self.variable(part.text))

    def operated(self, part: Part, value: str) -> str:
        """A variable's value after the operation that stands with it."""
        operation, word = part.operation, part.default
        if operation in (":-", "-", ":=", "="):
            if not value and operation.endswith("=") and word:
                self.variables[part.text] = word
            return value or word
        if operation in (":+", "+"):
            return word if value else ""
        if operation in (":?", "?") and not value:
            self.error(f"sh: {part.text}: {word or 'parameter not set or null'}")
            self.leave(2)
        elif operation == "#" and not word:
            return str(len(value))
        elif operation in ("%", "%%", "#", "##"):
            sizes = range(len(value) + 1)
            cuts = [(value[:n], value[n:]) for n in sizes]
            tail = operation[0] == "%"
            kept = [(a if tail else b) for a, b in cuts if fnmatchcase(b if tail else a, word)]
            # The shortest match leaves most.
            pick = max if len(operation) == 1 else min
            return pick(kept, key=len) if kept else value
        return value

    def variable(self, name: str) -> str:
        """The value of a variable: the script's own, else the environment's."""
        if name == "?":
            return str(self.status)
        if name in self.variables:
            return self.variables[name]
        if name == "HOSTNAME":
            return self.process.pod_name
        return self.process.env.get(name, "")
