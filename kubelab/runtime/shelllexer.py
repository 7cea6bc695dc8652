"""The text of a shell script, cut into tokens: words with their quotes and expansions, operators.

What stands in `$(…)` is kept as text; the compiler makes a script of it.

In Kubernetes: no counterpart; there, an image brings a real shell.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_OPERATORS = ("&&", "||", ";;", ";", "&", "|", "(", ")", "\n")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# `${#NAME}`, `${NAME}` and `${NAME` with an operation and its word.
_BRACED = re.compile(
    r"(#(?=[A-Za-z_]))?([A-Za-z_]\w*|[0-9?#@*])(?:(:?[-=+?]|%%?|##?)(.*))?", re.DOTALL
)
_REDIRECT = re.compile(r"(\d?|&)(>>|>|<<-?|<)(&\d)?")


class SyntaxProblem(ValueError):
    """Raised for a script that cannot be read; the message is the shell's."""


class Part(NamedTuple):
    """A piece of a word: `kind` is text, variable, output (of a command) or sum.

    A variable may have an operation (`:-`, `%`, `#` …) with its word.
    """

    kind: str
    text: str
    quoted: bool = False
    default: str = ""
    operation: str = ""


Word = tuple[Part, ...]


class Token(NamedTuple):
    """A word, an operator or a redirection (`text` then is `1>`, `2>&1`, `1>>`).

    A here document (`<<`) has its text as its word.
    """

    kind: str
    text: str
    word: Word = ()


class Lexer:
    """Cuts the text into tokens; the scripts of `$(…)` are kept as text for the compiler."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def tokens(self) -> list[Token]:
        """All tokens."""
        found: list[Token] = []
        # Here documents whose texts begin behind the next end of a line.
        here: list[int] = []
        text = self.text
        while self.at < len(text):
            rest = text[self.at]
            if rest in " \t\r":
                self.at += 1
            elif text.startswith("\\\n", self.at):
                self.at += 2
            elif rest == "#":
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end
            elif redirect := _REDIRECT.match(text, self.at):
                self.at = redirect.end()
                found.append(Token("redirect", redirect.group()))
                if "<<" in redirect.group():
                    while text[self.at : self.at + 1] in (" ", "\t"):
                        self.at += 1
                    found[-1] = found[-1]._replace(word=self.word().word)
                    here.append(len(found) - 1)
            elif operator := next((o for o in _OPERATORS if text.startswith(o, self.at)), ""):
                self.at += len(operator)
                found.append(Token("operator", operator))
                while operator == "\n" and here:
                    place = here.pop(0)
                    found[place] = self._here(found[place])
            else:
                found.append(self.word())
        return found

    def word(self) -> Token:
        """One word with its quotes and expansions."""
        start, parts = self.at, []
        text = self.text
        while self.at < len(text) and text[self.at] not in " \t\r\n;&|()<>":
            char = text[self.at]
            if char == "'":
                end = self._find("'", self.at + 1)
                parts.append(Part("text", text[self.at + 1 : end], True))
                self.at = end + 1
            elif char == '"':
                self.at += 1
                parts.append(Part("text", "", True))
                while self.at < len(text) and text[self.at] != '"':
                    parts.append(self._piece(quoted=True))
                if self.at >= len(text):
                    raise SyntaxProblem("syntax error: unterminated quoted string")
                self.at += 1
            else:
                parts.append(self._piece(quoted=False))
        if self.at == start:
            shown = text[start : start + 1] or "end of file"
            raise SyntaxProblem(f'syntax error: unexpected "{shown}"')
        return Token("word", text[start : self.at], tuple(parts))

    def _here(self, token: Token) -> Token:
        """A here document: the lines up to the word that ends it, with what they stand for."""
        wanted = "".join(part.text for part in token.word)
        lines, tabs = [], token.text.endswith("-")
        while self.at < len(self.text):
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at : end]
            self.at = min(end + 1, len(self.text))
            line = line.lstrip("\t") if tabs else line
            if line == wanted:
                break
            lines.append(line + "\n")
        body = "".join(lines)
        parts: list[Part] = []
        if any(part.quoted for part in token.word):
            parts.append(Part("text", body, True))
        else:
            inner = Lexer(body)
            while inner.at < len(body):
                parts.append(inner._piece(quoted=True, stops="\\$`"))
        return Token("redirect", "<<", tuple(parts))

    def _find(self, what: str, start: int) -> int:
        end = self.text.find(what, start)
        if end < 0:
            raise SyntaxProblem("syntax error: unterminated quoted string")
        return end

    def _piece(self, *, quoted: bool, stops: str = "") -> Part:
        """Text up to the next thing that means something, or that thing."""
        text, start = self.text, self.at
        char = text[start]
        if char == "\\" and start + 1 < len(text):
            self.at += 2
            keep = quoted and text[start + 1] not in '"\\$`'
            return Part("text", text[start : start + 2] if keep else text[start + 1], True)
        if char == "`":
            end = self._find("`", start + 1)
            self.at = end + 1
            return Part("output", text[start + 1 : end], quoted)
        if char == "$":
            return self._dollar(quoted)
        stops = stops or ('"\\$`' if quoted else " \t\r\n;&|()<>'\"\\$`")
        while self.at < len(text) and text[self.at] not in stops:
            self.at += 1
        return Part("text", text[start : self.at], quoted)

    def _dollar(self, quoted: bool) -> Part:
        text, start = self.text, self.at
        if text.startswith("$((", start):
            end = self._find("))", start)
            self.at = end + 2
            return Part("sum", text[start + 3 : end], quoted)
        if text.startswith("$(", start):
            self.at = self._closing(start + 2)
            return Part("output", text[start + 2 : self.at - 1], quoted)
        if text.startswith("${", start):
            end = self._find("}", start)
            self.at = end + 1
            held = _BRACED.fullmatch(text[start + 2 : end])
            if held is None:
                raise SyntaxProblem("syntax error: bad substitution")
            size, name, operation, word = held.groups()
            return Part("variable", name, quoted, word or "", size or operation or "")
        if found := _NAME.match(text, start + 1):
            self.at = found.end()
            return Part("variable", found.group(), quoted)
        if text[start + 1 : start + 2] in tuple("?$#@*0123456789"):
            self.at += 2
            return Part("variable", text[start + 1], quoted)
        self.at += 1
        return Part("text", "$", True)

    def _closing(self, start: int) -> int:
        """The place after the bracket that closes one opened before `start`."""
        depth, quote = 1, ""
        for place in range(start, len(self.text)):
            char = self.text[place]
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote = char
            else:
                depth += (char == "(") - (char == ")")
                if not depth:
                    return place + 1
        raise SyntaxProblem("syntax error: unexpected end of file")
