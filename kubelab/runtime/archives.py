"""Archives of tar: a container's files as one stream of bytes, and back.

`kubectl cp` runs tar in the container, in either direction. Files are texts here, so an archive is
one, too: bytes that are no UTF-8 stand in it as Python's surrogates and come out as they were. The
times of the files are virtual, so that the same files give the same archive.

In Kubernetes: no counterpart; there, images bring tar, or `kubectl cp` fails. Left out: owners,
modes, links and compression.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import NamedTuple

from kubelab.runtime.files import FileSystem, normal
from kubelab.sim.kernel import SECOND, to_datetime

# Options that have a value behind them.
VALUES = "fC"


class NoArchive(ValueError):
    """Raised for a text that is no archive."""


class Asked(NamedTuple):
    """A command line of tar."""

    letters: str
    file: str
    folder: str
    paths: tuple[str, ...]


def asked(args: list[str]) -> Asked:
    """Takes a command line apart: options stand first, with or without a dash."""
    letters, values, paths = "", {"f": "-", "C": ""}, []
    rest = list(args)
    if rest and not rest[0].startswith("-"):
        rest[0] = "-" + rest[0]
    while rest:
        word = rest.pop(0)
        if word.startswith("--") or not word.startswith("-") or word == "-":
            if not word.startswith("--"):
                paths.append(word)
            continue
        for letter in word[1:]:
            letters += letter
            if letter in VALUES and rest:
                values[letter] = rest.pop(0)
    return Asked(letters, values["f"], values["C"], tuple(paths))


def tree(files: FileSystem, path: str) -> Iterator[tuple[str, str | None]]:
    """A file or a folder with all in it, each with its text; a folder's is None."""
    path = normal(path)
    if files.is_directory(path):
        yield path, None
        for name in files.names(path):
            yield from tree(files, f"{path}/{name}")
    elif (text := files.read(path)) is not None:
        yield path, text


def put(files: FileSystem, path: str, text: str | None) -> None:
    """Writes a file with the folders above it, or makes a folder. Raises ReadOnly."""
    path = normal(path)
    folder = path if text is None else path.rpartition("/")[0]
    if folder and not files.is_directory(folder):
        files.make_directory(folder)
    if text is not None:
        files.write(path, text)


def pack(
    files: FileSystem, folder: str, paths: tuple[str, ...], now_ns: int
) -> tuple[str, list[str]]:
    """An archive of paths, and what is wrong with some of them."""
    # Here, as it takes as long to load as all of ours.
    import tarfile

    held, problems = io.BytesIO(), []
    with tarfile.open(fileobj=held, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for word in paths:
            start = normal(word, folder)
            found = list(tree(files, start))
            if not found:
                problems.append(f"{word}: No such file or directory")
            for path, text in found:
                # Names are kept as they were given, without what would lead out of a folder.
                name = (word.rstrip("/") or "/") + path[len(start) :]
                entry = tarfile.TarInfo(name.lstrip("/") or "./")
                data = b"" if text is None else text.encode("utf-8", "surrogateescape")
                entry.type = tarfile.DIRTYPE if text is None else tarfile.REGTYPE
                entry.mode, entry.size = 0o755 if text is None else 0o644, len(data)
                entry.mtime, entry.uname, entry.gname = now_ns // SECOND, "root", "root"
                archive.addfile(entry, io.BytesIO(data))
    return held.getvalue().decode("utf-8", "surrogateescape"), problems


def unpack(files: FileSystem, folder: str, text: str, *, keep: bool) -> list[str]:
    """The names in an archive, whose files are put into a folder if they are to be kept.

    A name cannot lead out of the folder. Raises NoArchive, ReadOnly.
    """
    import tarfile

    names = []
    data = io.BytesIO(text.encode("utf-8", "surrogateescape"))
    try:
        with tarfile.open(fileobj=data, mode="r:") as archive:
            for entry in archive:
                names.append(entry.name)
                path = folder + normal(entry.name)
                if not keep or not (entry.isdir() or entry.isreg()):
                    continue
                inner = archive.extractfile(entry)
                held = inner.read() if inner is not None else b""
                content = None if entry.isdir() else held.decode("utf-8", "surrogateescape")
                put(files, path, content)
    except (tarfile.TarError, EOFError) as problem:
        raise NoArchive(str(problem)) from None
    return names


def day(now_ns: int) -> str:
    """A time as `ls -l` shows it."""
    return to_datetime(now_ns).strftime("%b %e %H:%M")
