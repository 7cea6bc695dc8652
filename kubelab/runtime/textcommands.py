"""The shell's commands for text and files: echo, cat, test, grep and the like.

Each is a function of the script and its words that returns an exit code; it writes with `write` and
`error`. Messages are busybox' own.

In Kubernetes: no counterpart; there, images bring busybox or the GNU tools.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kubelab.runtime.control import FOREVER_SECONDS, wait
from kubelab.runtime.files import ReadOnly, normal
from kubelab.sim.kernel import to_datetime

if TYPE_CHECKING:
    from kubelab.runtime.shell import Script

MISSING = "No such file or directory"


def echo(script: Script, args: list[str]) -> int:
    """echo [-n] WORDS."""
    newline = "\n"
    while args and args[0] in ("-n", "-e", "-ne", "-en"):
        if "n" in args[0]:
            newline = ""
        args = args[1:]
    script.write(" ".join(args) + newline)
    return 0


def printf(script: Script, args: list[str]) -> int:
    """printf FORMAT WORDS: %s and %d only."""
    text, rest = (args or [""])[0], args[1:]
    text = text.replace("\\n", "\n").replace("\\t", "\t")
    for word in rest:
        text = re.sub(r"%[sd]", word.replace("\\", r"\\"), text, count=1)
    script.write(text)
    return 0


def path_of(script: Script, word: str) -> str:
    return normal(word, script.variables.get("PWD") or script.process.config.working_dir or "/")


def touch(script: Script, args: list[str]) -> int:
    """touch PATH…"""
    for word in args:
        if word.startswith("-"):
            continue
        try:
            script.process.files.write(path_of(script, word), "", append=True)
        except (ReadOnly, FileNotFoundError) as error:
            why = "Read-only file system" if isinstance(error, ReadOnly) else MISSING
            script.error(f"touch: {word}: {why}")
            return 1
    return 0


def rm(script: Script, args: list[str]) -> int:
    """rm [-f] [-r] PATH…"""
    flags = "".join(word for word in args if word.startswith("-"))
    status = 0
    for word in [word for word in args if not word.startswith("-")]:
        path = path_of(script, word)
        if script.process.files.is_directory(path) and "r" not in flags and "R" not in flags:
            script.error(f"rm: '{word}' is a directory")
            status = 1
            continue
        try:
            if not script.process.files.remove(path) and "f" not in flags:
                script.error(f"rm: can't remove '{word}': {MISSING}")
                status = 1
        except ReadOnly:
            script.error(f"rm: can't remove '{word}': Read-only file system")
            status = 1
    return status


def mkdir(script: Script, args: list[str]) -> int:
    """mkdir [-p] PATH…"""
    for word in [word for word in args if not word.startswith("-")]:
        try:
            script.process.files.make_directory(path_of(script, word))
        except ReadOnly:
            script.error(f"mkdir: can't create directory '{word}': Read-only file system")
            return 1
    return 0


def cat(script: Script, args: list[str]) -> int:
    """cat PATH…"""
    status = 0
    if not args:
        script.write(script.stdin)
    for word in args:
        text = script.process.files.read(path_of(script, word))
        if text is None:
            script.error(f"cat: can't open '{word}': {MISSING}")
            status = 1
        else:
            script.write(text)
    return status


def ls(script: Script, args: list[str]) -> int:
    """ls [PATH…]."""
    files = script.process.files
    for word in [word for word in args if not word.startswith("-")] or ["."]:
        path = path_of(script, word)
        if files.is_directory(path):
            names = files.names(path)
        elif files.is_file(path):
            names = [word]
        else:
            script.error(f"ls: {word}: {MISSING}")
            return 1
        script.write("".join(f"{name}\n" for name in names))
    return 0


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
    return held


def env(script: Script, args: list[str]) -> int:
    """env: the environment, a line each."""
    script.write("".join(f"{name}={value}\n" for name, value in _environment(script).items()))
    return 0


def printenv(script: Script, args: list[str]) -> int:
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


def grep(script: Script, args: list[str]) -> int:
    """grep [-q] [-v] [-i] PATTERN [FILE]."""
    flags = "".join(word for word in args if word.startswith("-") and len(word) > 1)
    words = [word for word in args if not word.startswith("-")]
    if not words:
        return 2
    text = script.stdin
    if len(words) > 1:
        text = script.process.files.read(path_of(script, words[1])) or ""
    try:
        pattern = re.compile(words[0], re.IGNORECASE if "i" in flags else 0)
    except re.error:
        return 2
    lines = [line for line in text.splitlines() if bool(pattern.search(line)) != ("v" in flags)]
    if "q" not in flags:
        script.write("".join(f"{line}\n" for line in lines))
    return int(not lines)


def awk(script: Script, args: list[str]) -> int:
    """awk '[/PATTERN/] {print $N}': that one form."""
    found = re.fullmatch(r"\s*(?:/(.*)/)?\s*\{\s*print\s*(?:\$(\d+))?\s*\}\s*", (args or [""])[-1])
    if found is None:
        script.error("awk: only '/pattern/{print $N}' is known here")
        return 2
    for line in script.stdin.splitlines():
        if found[1] is None or re.search(found[1], line):
            fields = [line, *line.split()]
            place = int(found[2] or 0)
            script.write(f"{fields[place] if place < len(fields) else ''}\n")
    return 0


def tail(script: Script, args: list[str]) -> Any:
    """tail [-n N] [FILE]; with -f it waits for ever."""
    if "-f" in args or "-F" in args:
        return wait(script, FOREVER_SECONDS)
    words = [word for word in args if word.startswith("/")]
    text = script.process.files.read(path_of(script, words[0])) if words else script.stdin
    script.write("".join(f"{line}\n" for line in (text or "").splitlines()[-10:]))
    return 0


COMMANDS: dict[str, Any] = {
    "echo": echo, "printf": printf, "touch": touch, "rm": rm, "mkdir": mkdir, "cat": cat,
    "ls": ls, "test": test, "[": bracket, "env": env, "printenv": printenv, "hostname": hostname,
    "cd": cd, "pwd": pwd, "seq": seq, "date": date, "grep": grep, "awk": awk, "tail": tail,
}  # fmt: skip
