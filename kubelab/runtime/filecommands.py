"""The shell's commands for files and folders: ls, cp, mv, rm, mkdir, touch, find and tar.

Each is a function of the script and its words that returns an exit code; messages are busybox' own.

In Kubernetes: no counterpart; there, images bring busybox or the GNU tools.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from kubelab.runtime import archives, control
from kubelab.runtime.files import ReadOnly
from kubelab.runtime.textcommands import MISSING, path_of

if TYPE_CHECKING:
    from kubelab.runtime.shell import Script


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
    files, flags = script.process.files, "".join(word for word in args if word.startswith("-"))
    for word in [word for word in args if not word.startswith("-")]:
        path = path_of(script, word)
        why = ""
        if (files.is_file(path) or files.is_directory(path)) and "p" not in flags:
            why = "File exists"
        elif "p" not in flags and not files.is_directory(path.rpartition("/")[0] or "/"):
            why = MISSING
        try:
            if not why:
                files.make_directory(path)
        except ReadOnly:
            why = "Read-only file system"
        if why:
            script.error(f"mkdir: can't create directory '{word}': {why}")
            return 1
    return 0


def ls(script: Script, args: list[str]) -> int:
    """ls [-1alR] [PATH…]."""
    files = script.process.files
    flags = "".join(word for word in args if word.startswith("-"))
    words = [word for word in args if not word.startswith("-")]
    status = 0
    for word in words or ["."]:
        path = path_of(script, word)
        if files.is_directory(path) and "d" not in flags:
            shown = [name for name in files.names(path) if "a" in flags or name[:1] != "."]
            if len(words) > 1:
                script.write(f"{word}:\n")
            if "a" in flags:
                shown = [".", "..", *shown]
        elif files.is_file(path) or files.is_directory(path):
            shown, path = [word], ""
        else:
            script.error(f"ls: {word}: {MISSING}")
            status = 1
            continue
        long = "l" in flags
        script.write("".join(f"{_row(script, path, name) if long else name}\n" for name in shown))
    return status


def _row(script: Script, folder: str, name: str) -> str:
    """A line of `ls -l`; owners and modes are the same everywhere here."""
    files = script.process.files
    path = path_of(script, f"{folder}/{name}" if folder else name)
    text = files.read(path)
    mode = "drwxr-xr-x" if text is None else "-rw-r--r--"
    size = 4096 if text is None else len(text.encode("utf-8", "surrogateescape"))
    return f"{mode}    1 root     root     {size:9} {archives.day(script.process.now)} {name}"


def cp(script: Script, args: list[str]) -> int:
    """cp [-r] FROM… TO."""
    return _carry(script, "cp", args, keep=True)


def mv(script: Script, args: list[str]) -> int:
    """mv FROM… TO."""
    return _carry(script, "mv", args, keep=False)


def _carry(script: Script, name: str, args: list[str], *, keep: bool) -> int:
    files = script.process.files
    flags = "".join(word for word in args if word.startswith("-"))
    words = [word for word in args if not word.startswith("-")]
    if len(words) < 2:
        script.error(f"{name}: missing file operand")
        return 1
    *sources, last = words
    target = path_of(script, last)
    into = files.is_directory(target)
    for word in sources:
        path = path_of(script, word)
        if not files.is_file(path) and not files.is_directory(path):
            script.error(f"{name}: can't stat '{word}': {MISSING}")
            return 1
        if files.is_directory(path) and keep and not set("raR") & set(flags):
            script.error(f"{name}: omitting directory '{word}'")
            return 1
        base = path.rpartition("/")[2]
        if f"{target}/".startswith(f"{path.rstrip('/')}/") and files.is_directory(path):
            script.error(f"{name}: can't copy '{word}' into itself, '{last}'")
            return 1
        try:
            for found, text in list(archives.tree(files, path)):
                rest = found[len(path) :]
                archives.put(files, (f"{target}/{base}" if into else target) + rest, text)
            if not keep:
                files.remove(path)
        except ReadOnly:
            script.error(f"{name}: can't create '{last}': Read-only file system")
            return 1
    return 0


def find(script: Script, args: list[str]) -> int:
    """find [PATH] [-name PATTERN] [-type f|d]."""
    from fnmatch import fnmatchcase

    files = script.process.files
    start = args[0] if args and not args[0].startswith("-") else "."
    options = dict(pairwise(args))
    path = path_of(script, start)
    if not files.is_file(path) and not files.is_directory(path):
        script.error(f"find: {start}: {MISSING}")
        return 1
    for found, text in archives.tree(files, path):
        name, kind = found.rpartition("/")[2], "d" if text is None else "f"
        if fnmatchcase(name, options.get("-name", "*")) and options.get("-type", kind) == kind:
            script.write(start.rstrip("/") + found[len(path.rstrip("/")) :] + "\n")
    return 0


def tar(script: Script, args: list[str]) -> Any:
    """tar cf|xf|tf FILE [-C DIR] [PATH…]; the file `-` is the standard stream."""
    asked = archives.asked(args)
    files = script.process.files
    folder = path_of(script, asked.folder or ".")
    if not files.is_directory(folder):
        script.error(f"tar: can't change directory to '{asked.folder}': {MISSING}")
        return 1
    if "c" in asked.letters:
        text, problems = archives.pack(files, folder, asked.paths, script.process.now)
        for problem in problems:
            script.error(f"tar: {problem}")
        if asked.file == "-":
            script.write(text)
        else:
            archives.put(files, path_of(script, asked.file), text)
        return int(bool(problems))
    if not set("xt") & set(asked.letters):
        script.error("tar: must specify one of -c, -x or -t")
        return 1
    held: str | None = files.read(path_of(script, asked.file))
    if asked.file == "-":
        held = script.take_all()
        if held is None:
            return control.READ
    if held is None:
        script.error(f"tar: can't open '{asked.file}': {MISSING}")
        return 1
    try:
        names = archives.unpack(files, folder, held, keep="x" in asked.letters)
    except archives.NoArchive:
        script.error("tar: invalid tar magic" if held else "tar: short read")
        return 1
    except ReadOnly as problem:
        script.error(f"tar: can't open '{problem}': Read-only file system")
        return 1
    if "v" in asked.letters or "t" in asked.letters:
        script.write("".join(f"{name}\n" for name in names))
    return 0


COMMANDS: dict[str, Any] = {
    "touch": touch, "rm": rm, "mkdir": mkdir, "ls": ls, "cp": cp, "mv": mv, "find": find,
    "tar": tar,
}  # fmt: skip
