"""The shell's commands for texts and about where it runs: echo, test, env, date, ps and the like.

Each is a function of the script and its words that returns an exit code; it writes with `write` and
`error`. Messages are busybox' own.

In Kubernetes: no counterpart; there, images bring busybox or the GNU tools.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kubelab.runtime.control import READ
from kubelab.runtime.files import normal
from kubelab.sim.kernel import to_datetime

if TYPE_CHECKING:
    from kubelab.runtime.shell import Script

MISSING = "No such file or directory"


def echo(script: Script, args: list[str]) -> int:
    """echo [-n] [-e] WORDS."""
    newline, escapes = "\n", False
    while args and args[0] in ("-n", "-e", "-E", "-ne", "-en"):
        newline = "" if "n" in args[0] else newline
        escapes = escapes or "e" in args[0]
        args = args[1:]
    text = " ".join(args)
    script.write((unescaped(text) if escapes else text) + newline)
    return 0


ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "0": "\0", "a": "\a", "e": "\x1b"}


def unescaped(text: str) -> str:
    """A text with what its backslashes stand for."""
    return re.sub(r"\\(.)", lambda at: ESCAPES.get(at[1], at[0]), text)


def printf(script: Script, args: list[str]) -> int:
    """printf FORMAT WORDS: the format as often as there are words for it."""
    form, rest = unescaped((args or [""])[0]), args[1:]
    wanted = len(re.findall(r"%-?\d*[sd]", form))
    while True:
        given, rest = iter(rest[:wanted]), rest[wanted:]
        script.write(re.sub(r"%(-?\d*)([sd%])", _Filler(given), form))
        if not rest or not wanted:
            return 0


class _Filler:
    """Puts words into a format."""

    def __init__(self, words: Iterator[str]) -> None:
        self.words = words

    def __call__(self, found: re.Match[str]) -> str:
        if found[2] == "%":
            return "%"
        word = next(self.words, "" if found[2] == "s" else "0")
        width = found[1].lstrip("-")
        size = int(width) if width else 0
        return word.ljust(size) if found[1].startswith("-") else word.rjust(size)


def path_of(script: Script, word: str) -> str:
    """The absolute path of a word."""
    return normal(word, script.directory)


def test(script: Script, args: list[str]) -> int:
    """test: files, texts, numbers."""
    if args and args[0] == "!":
        return int(not test(script, args[1:]))
    files = script.process.files
    if len(args) == 2:
        word = args[1]
        answers = {"-n": word != "", "-z": word == ""}
        if args[0] in answers:
            return int(not answers[args[0]])
        path = path_of(script, word)
        if args[0] == "-d":
            return int(not files.is_directory(path))
        if args[0] == "-s":
            return int(not files.read(path))
        return int(not (files.is_file(path) or (args[0] == "-e" and files.is_directory(path))))
    if len(args) == 3:
        left, operator, right = args
        if operator in ("=", "==", "!="):
            return int((left == right) != (operator != "!="))
        try:
            one, other = int(left), int(right)
        except ValueError:
            script.error(f"sh: {left if not left.lstrip('-').isdigit() else right}: bad number")
            return 2
        results = {
            "-eq": one == other, "-ne": one != other, "-lt": one < other, "-le": one <= other,
            "-gt": one > other, "-ge": one >= other,
        }  # fmt: skip
        return int(not results.get(operator, False))
    if len(args) == 1:
        return int(not args[0])
    if args:
        script.error(f"sh: {args[0]}: unknown operand")
        return 2
    return 1


def bracket(script: Script, args: list[str]) -> int:
    """[ … ]."""
    if args[-1:] != ["]"]:
        script.error("sh: missing ]")
        return 2
    return test(script, args[:-1])


def _environment(script: Script) -> dict[str, str]:
    held = {"HOSTNAME": script.process.pod_name, **script.process.env}
    held.update({name: script.variables[name] for name in script.exported})
    held.update({name: script.variables[name] for name in script.before})
    return held


def env(script: Script, args: list[str]) -> Any:
    """env: the environment, a line each; env NAME=VALUE COMMAND runs it."""
    given = [word for word in args if "=" in word]
    command = args[len(given) :]
    if command and args[: len(given)] == given:
        script.variables.update(dict(word.split("=", 1) for word in given))
        from kubelab.runtime import commands

        return commands.call(script, command)
    script.write("".join(f"{name}={value}\n" for name, value in _environment(script).items()))
    return 0


def printenv(script: Script, args: list[str]) -> Any:
    """printenv [NAME…]."""
    if not args:
        return env(script, args)
    held = _environment(script)
    for name in args:
        if name in held:
            script.write(f"{held[name]}\n")
    return int(any(name not in held for name in args))


def hostname(script: Script, args: list[str]) -> int:
    """hostname [-i]."""
    process = script.process
    script.write(f"{process.ip if '-i' in args else process.sandbox.config.hostname}\n")
    return 0


def cd(script: Script, args: list[str]) -> int:
    """cd PATH."""
    path = path_of(script, args[0] if args else "/")
    if not script.process.files.is_directory(path):
        script.error(f"sh: cd: can't cd to {args[0]}: {MISSING}")
        return 2
    script.variables["PWD"] = path
    return 0


def pwd(script: Script, args: list[str]) -> int:
    """pwd."""
    script.write(f"{path_of(script, '.')}\n")
    return 0


def seq(script: Script, args: list[str]) -> int:
    """seq [FIRST] LAST."""
    try:
        numbers = [int(word) for word in args]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 2:
        script.error("seq: invalid number")
        return 1
    first, last = (1, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
    script.write("".join(f"{n}\n" for n in range(first, min(last, first + 10_000) + 1)))
    return 0


def date(script: Script, args: list[str]) -> int:
    """date [+FORMAT], in virtual time."""
    formats = [word[1:] for word in args if word.startswith("+")]
    script.write(
        to_datetime(script.process.now).strftime((formats or ["%a %b %e %H:%M:%S UTC %Y"])[0])
    )
    script.write("\n")
    return 0


def identity(script: Script, args: list[str]) -> int:
    """id [-u] [-g] [-n], whoami: everybody is root here."""
    letters = "".join(word.lstrip("-") for word in args)
    if "u" in letters or "g" in letters:
        script.write("root\n" if "n" in letters else "0\n")
    else:
        script.write("uid=0(root) gid=0(root) groups=0(root)\n")
    return 0


def whoami(script: Script, args: list[str]) -> int:
    """whoami."""
    script.write("root\n")
    return 0


def uname(script: Script, args: list[str]) -> int:
    """uname [-a]."""
    name = script.process.sandbox.config.hostname
    texts = {"a": f"Linux {name} 6.1.0 #1 SMP x86_64 GNU/Linux", "r": "6.1.0", "n": name,
             "m": "x86_64"}  # fmt: skip
    script.write(texts.get("".join(args).lstrip("-")[:1], "Linux") + "\n")
    return 0


def ps(script: Script, args: list[str]) -> int:
    """ps: the first process and what runs beside it."""
    process = script.process
    first = " ".join(process.argv) or process.config.image.rpartition("/")[2].partition(":")[0]
    rows = [f"{1:5} root      0:00 {first}"]
    if script.key != "main":
        rows.append(f"{7:5} root      0:00 ps{''.join(f' {word}' for word in args)}")
    script.write("PID   USER     TIME  COMMAND\n" + "".join(f"{row}\n" for row in rows))
    return 0


def which(script: Script, args: list[str]) -> int:
    """which NAME…"""
    from kubelab.runtime import commands

    known = [name for name in args if name in commands.COMMANDS or name in commands.SHELLS]
    script.write("".join(f"/bin/{name}\n" for name in known))
    return int(len(known) < len(args))


def stty(script: Script, args: list[str]) -> int:
    """stty size: the lines and columns of the window."""
    columns, lines = script.variable("COLUMNS") or "0", script.variable("LINES") or "0"
    script.write(f"{lines} {columns}\n" if "size" in args else "speed 38400 baud; line = 0;\n")
    return 0


def base64_(script: Script, args: list[str]) -> Any:
    """base64 [-d] [FILE]."""
    words = [word for word in args if not word.startswith("-")]
    held = script.process.files.read(path_of(script, words[0])) if words else script.take_all()
    if held is None and not words:
        return READ
    data = (held or "").encode("utf-8", "surrogateescape")
    if {"-d", "-D", "--decode"} & set(args):
        script.write(base64.b64decode(data).decode("utf-8", "surrogateescape"))
    else:
        script.write(base64.b64encode(data).decode() + "\n")
    return 0


def basename(script: Script, args: list[str]) -> int:
    """basename PATH [SUFFIX]."""
    name = (args or [""])[0].rstrip("/").rpartition("/")[2]
    script.write(name.removesuffix(args[1] if len(args) > 1 else "") + "\n")
    return 0


def dirname(script: Script, args: list[str]) -> int:
    """dirname PATH."""
    folder, slash, _ = (args or [""])[0].rstrip("/").rpartition("/")
    script.write((folder or slash or ".") + "\n")
    return 0


def expr(script: Script, args: list[str]) -> int:
    """expr: sums of numbers."""
    from kubelab.runtime.control import arithmetic

    value = arithmetic(script, " ".join(args))
    script.write(f"{value}\n")
    return int(value == "0")


def shift(script: Script, args: list[str]) -> int:
    """shift: `$2` becomes `$1`, and so on."""
    count = int(script.variables.get("#") or 0)
    words = [script.variables.get(str(number), "") for number in range(2, count + 1)]
    script.variables.update({str(number): word for number, word in enumerate(words, 1)})
    script.variables.pop(str(count), None)
    script.variables.update({"#": str(max(0, count - 1)), "@": " ".join(words)})
    return int(not count)


COMMANDS: dict[str, Any] = {
    "echo": echo, "printf": printf, "test": test, "[": bracket, "env": env, "printenv": printenv,
    "hostname": hostname, "cd": cd, "pwd": pwd, "seq": seq, "date": date, "id": identity,
    "whoami": whoami, "uname": uname, "ps": ps, "which": which, "stty": stty, "shift": shift,
    "base64": base64_, "basename": basename, "dirname": dirname, "expr": expr,
}  # fmt: skip
