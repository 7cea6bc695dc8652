"""The text of a shell script, made into a list of instructions.

A script is compiled, not walked as a tree: so the state of a running one is a number (which
instruction comes next) and a few dicts, and a script that sleeps can be copied and goes on. An
instruction is a tuple, its first item the name. Understood are lists (`;`, `&&`, `||`, newline,
`&`), pipes, `if`, `while`, `until`, `for`, `case`, groups, functions, `!`, redirections, here
documents, quotes, `$NAME`, `${NAME}` with its operations, `$?`, `$((sum))`, `$(command)` and the
patterns of files.

In Kubernetes: no counterpart; there, an image brings a real shell. Left out: jobs, and variables
of a function's own.
"""

from __future__ import annotations

import re
from typing import Any

from kubelab.runtime.shelllexer import Lexer, Part, SyntaxProblem, Token, Word

Instruction = tuple[Any, ...]

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
# Instructions whose first operand is a place.
JUMPS = ("jump", "fail", "ok", "next", "match")
_ENDS = ("then", "do", "done", "fi", "else", "elif", "}", ")", ";;", "esac")


class Compiler:
    """Reads tokens, writes instructions."""

    def __init__(self, text: str, code: list[Instruction] | None = None, prefix: str = "") -> None:
        self.tokens = Lexer(text).tokens()
        # Stands before the names of slots, so that a script within a script has its own.
        self.prefix = prefix
        self.at = 0
        self.code: list[Instruction] = [] if code is None else code
        self.loops: list[tuple[int, list[int]]] = []
        # Within a condition a failing command does not end a script with `set -e`.
        self.tested = 0

    # Tokens.

    def peek(self) -> str:
        """The next token's text, or the empty string at the end."""
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> Token:
        """The next token, which must be the expected one."""
        if self.at >= len(self.tokens):
            raise SyntaxProblem(f'syntax error: unexpected end of file (expecting "{expected}")')
        token = self.tokens[self.at]
        if expected and token.text != expected:
            shown = "newline" if token.text == "\n" else f'"{token.text}"'
            raise SyntaxProblem(f'syntax error: unexpected {shown} (expecting "{expected}")')
        self.at += 1
        return token

    def skip(self) -> None:
        """Skips ends of lines and statements."""
        while self.peek() in ("\n", ";", "&") and self.at < len(self.tokens):
            self.at += 1

    # Code.

    def emit(self, *instruction: Any) -> int:
        """Writes an instruction; returns its place."""
        self.code.append(instruction)
        return len(self.code) - 1

    def aim(self, place: int) -> None:
        """Lets the jump at `place` go to here."""
        name, _, *rest = self.code[place]
        self.code[place] = (name, len(self.code), *rest)

    # Grammar.

    def script(self) -> None:
        """A whole script."""
        self.block()
        if self.at < len(self.tokens):
            raise SyntaxProblem(f'syntax error: unexpected "{self.peek()}"')

    def block(self) -> None:
        """Statements up to a word that ends them."""
        self.skip()
        while self.at < len(self.tokens) and self.peek() not in _ENDS:
            self.statement()
            self.skip()

    def statement(self) -> None:
        """Pipelines joined by && and ||; a jump leaves out the one that is not to run."""
        self.pipeline()
        while self.peek() in ("&&", "||"):
            place = self.emit("fail" if self.take().text == "&&" else "ok", 0)
            while self.peek() == "\n":
                self.take()
            self.pipeline()
            self.aim(place)

    def pipeline(self) -> None:
        """Commands joined by |, each given the output of the one before."""
        negated = self.peek() == "!"
        if negated:
            self.take()
        start, parts = len(self.code), 1
        self.command()
        while self.peek() == "|":
            self.take()
            while self.peek() == "\n":
                self.take()
            self._insert(start, ("capture",))
            self.emit("pipe", parts > 1)
            parts += 1
            start = len(self.code)
            self.command()
        if parts > 1:
            self.emit("restore")
        if negated:
            self.emit("not")
        elif not self.tested and self.peek() not in ("&&", "||"):
            self.emit("errexit")

    def _insert(self, start: int, instruction: Instruction) -> None:
        """Puts an instruction in at `start`: jumps to places behind it move."""
        self.code.insert(start, instruction)
        for place in range(start + 1, len(self.code)):
            name, *rest = self.code[place]
            if name in JUMPS and rest[0] >= start:
                self.code[place] = (name, rest[0] + 1, *rest[1:])
            elif name == "redirect" and rest[1] >= start:
                self.code[place] = (name, rest[0], rest[1] + 1)
        self.loops = [
            (top + (top >= start), [place + (place >= start) for place in exits])
            for top, exits in self.loops
        ]

    def command(self) -> None:
        """A simple command or a compound one."""
        word, start = self.peek(), len(self.code)
        if word == "if":
            self.take()
            self.conditional()
        elif word in ("while", "until"):
            self.loop(self.take().text)
        elif word == "for":
            self.iteration()
        elif word == "case":
            self.choice()
        elif [token.text for token in self.tokens[self.at + 1 : self.at + 3]] == ["(", ")"]:
            self.function()
        elif word in ("{", "("):
            self.take()
            self.block()
            self.take("}" if word == "{" else ")")
        elif word in ("break", "continue"):
            self.take()
            if self.loops:
                top, exits = self.loops[-1]
                place = self.emit("jump", top)
                if word == "break":
                    exits.append(place)
        else:
            self.simple()
        if self.at < len(self.tokens) and self.tokens[self.at].kind == "redirect":
            self.redirected(start)

    def condition(self, end: str) -> None:
        """A block whose failure is no failure of the script."""
        self.tested += 1
        self.block()
        self.tested -= 1
        self.take(end)

    def conditional(self) -> None:
        """if, elif, else, fi."""
        self.condition("then")
        place = self.emit("fail", 0)
        self.block()
        done = self.emit("jump", 0)
        self.aim(place)
        if self.peek() == "elif":
            self.take()
            self.conditional()
        else:
            if self.peek() == "else":
                self.take()
                self.block()
            else:
                self.emit("status", 0)
            self.take("fi")
        self.aim(done)

    def loop(self, kind: str) -> None:
        """while and until."""
        top = self.emit("loop", len(self.code))
        self.condition("do")
        always = len(self.code) == top + 2 and self.code[-1][0] == "run" and _is_true(self.code[-1])
        self.code[top] = ("loop", top, always and kind == "while")
        exits = [self.emit("fail" if kind == "while" else "ok", 0)]
        self.body(top, exits)
        self.emit("status", 0)

    def iteration(self) -> None:
        """for NAME in WORDS."""
        self.take("for")
        name = self.take().text
        words: list[Word] = []
        if self.peek() == "in":
            self.take()
            while self.peek() not in (";", "\n"):
                words.append(self.expand(self.take().word))
        self.skip()
        self.take("do")
        slot = len(self.code)
        self.emit("for", slot, tuple(words))
        top = self.emit("next", 0, slot, name)
        self.body(top, [top])

    def body(self, top: int, exits: list[int]) -> None:
        """The body of a loop, and the way back."""
        self.loops.append((top, exits))
        self.block()
        # What was put in meanwhile may have moved them.
        top, exits = self.loops.pop()
        self.take("done")
        self.emit("jump", top)
        for place in exits:
            self.aim(place)

    def choice(self) -> None:
        """case WORD in PATTERN|PATTERN) … ;; esac."""
        self.take("case")
        slot = f"{self.prefix}{len(self.code)}"
        self.emit("case", slot, self.expand(self.take().word))
        self.skip()
        self.take("in")
        self.skip()
        ends = []
        while self.peek() != "esac":
            if self.peek() == "(":
                self.take()
            patterns = [self.expand(self.take().word)]
            while self.peek() == "|":
                self.take()
                patterns.append(self.expand(self.take().word))
            self.take(")")
            place = self.emit("match", 0, slot, tuple(patterns))
            self.block()
            ends.append(self.emit("jump", 0))
            self.aim(place)
            if self.peek() == ";;":
                self.take()
            self.skip()
        self.take("esac")
        self.emit("status", 0)
        for place in ends:
            self.aim(place)

    def function(self) -> None:
        """NAME() COMMAND: the command is kept under the name."""
        name = self.take().text
        self.take("(")
        self.take(")")
        self.skip()
        outer = self.code, self.loops, self.prefix
        self.code, self.loops, self.prefix = [], [], f"{self.prefix}{name}."
        self.command()
        body = tuple(self.code)
        self.code, self.loops, self.prefix = outer
        self.emit("define", name, body)

    def simple(self) -> None:
        """Assignments, words and redirections."""
        assigned: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirects: list[tuple[str, Word]] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "operator":
                break
            if token.kind == "redirect":
                redirects.append(self.redirection(token))
                continue
            self.at += 1
            if not words and (found := _ASSIGNMENT.match(token.text)):
                head = Part("text", token.word[0].text[found.end() :])
                assigned.append((found[1], self.expand((head, *token.word[1:]))))
            else:
                words.append(self.expand(token.word))
        if not words and not assigned and not redirects:
            shown = self.peek() if self.peek() != "\n" else "newline"
            raise SyntaxProblem(f'syntax error: unexpected "{shown or "end of file"}"')
        self.emit("run", tuple(words), tuple(redirects), tuple(assigned))

    def redirected(self, start: int) -> None:
        """The redirections behind a group, a loop or an `if` hold for all of it."""
        redirects = []
        while self.at < len(self.tokens) and self.tokens[self.at].kind == "redirect":
            redirects.append(self.redirection(self.tokens[self.at]))
        self._insert(start, ("redirect", tuple(redirects), 0))
        self.emit("restore")
        self.code[start] = ("redirect", tuple(redirects), len(self.code))

    def redirection(self, token: Token) -> tuple[str, Word]:
        """One redirection: what goes where."""
        self.at += 1
        if token.text == "<<":
            return token.text, self.expand(token.word)
        if "&" in token.text[1:]:
            return token.text, ()
        return token.text, self.expand(self.take().word)

    def expand(self, word: Word) -> Word:
        """The word with the output of each of its commands put into a slot before."""
        parts: list[Part] = []
        for part in word:
            if part.kind == "output":
                slot = f"{self.prefix}{len(self.code)}"
                self.emit("capture")
                inner = Compiler(part.text, self.code, self.prefix)
                inner.tested = 1
                inner.script()
                self.emit("captured", slot)
                part = part._replace(text=slot)
            parts.append(part)
        return tuple(parts)


def _is_true(instruction: Instruction) -> bool:
    words = instruction[1]
    return len(words) == 1 and "".join(part.text for part in words[0]) in ("true", ":")


def compile_script(text: str, prefix: str = "") -> tuple[Instruction, ...]:
    """The instructions of a script; `prefix` sets its slots apart. Raises SyntaxProblem."""
    compiler = Compiler(text, None, prefix)
    compiler.script()
    return tuple(compiler.code)


def compile_command(argv: tuple[str, ...]) -> tuple[Instruction, ...]:
    """The instructions of a single command, whose words are taken as they are."""
    return (("run", tuple((Part("text", word, True),) for word in argv), (), ()),)
