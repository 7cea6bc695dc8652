"""kubectl cp: files and folders between this machine and a container, by way of tar.

tar runs in the container; on this side the archive is made and read here. A name in an archive
cannot lead out of the place that it is unpacked to.

In Kubernetes: k8s.io/kubectl/pkg/cmd/cp. Left out: going on where a connection broke (--retries).
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kubelab.api.objects import Obj
from kubelab.kubectl import streaming
from kubelab.kubectl.errors import Failed, fail
from kubelab.kubectl.session import Session

CP = "container,c= no-preserve retries="


class Place(NamedTuple):
    """One side: a path, and if it is in a pod that one's namespace and name."""

    path: str
    pod: str = ""
    namespace: str = ""


def copy(session: Session, args: list[str]) -> None:
    """Runs `kubectl cp`."""
    if len(args) != 2:
        raise fail("source and destination are required")
    source, target = (_place(session, text) for text in args)
    if source.pod and target.pod:
        raise fail("one of src or dest must be a local file specification")
    if not source.pod and not target.pod:
        raise fail("one of src or dest must be a remote file specification")
    if not source.path or not target.path:
        raise fail("filepath can not be empty")
    session.namespace = (source.namespace or target.namespace) or session.namespace
    if target.pod and not os.path.lexists(source.path):
        raise fail(f"{source.path} doesn't exist in local filesystem")
    pod = session.get(streaming.POD, session.namespace, source.pod or target.pod)
    container = streaming.chosen(session, pod)
    if source.pod:
        _fetch(session, pod, container, source.path, Path(target.path))
    else:
        _bring(session, pod, container, Path(source.path), target.path)


def _place(session: Session, text: str) -> Place:
    """`[NAMESPACE/]POD:PATH`, or a path of this machine."""
    name, colon, path = text.partition(":")
    if not colon:
        return Place(text)
    if not name:
        raise fail("filespec must match the canonical format: [[namespace/]pod:]file/path")
    parts = name.split("/")
    if len(parts) > 2 or not all(parts):
        return Place(text)
    return Place(path, parts[-1], parts[0] if len(parts) == 2 else "")


def _bring(session: Session, pod: Obj, container: str, source: Path, target: str) -> None:
    """Into the container; what ends with a slash, or is a folder there, is copied into."""
    name = target.rstrip("/") or "/"
    _, status = streaming.run_in(session, pod, container, ["test", "-d", name])
    if status.get("status") == "Success":
        name = f"{name.rstrip('/')}/{source.absolute().name}"
    aim = PurePosixPath(name)
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.add(source, arcname=aim.name)
    command = ["tar", "-xmf", "-", "-C", str(aim.parent)]
    if session.flags.on("no-preserve"):
        command[1:1] = ["--no-same-permissions", "--no-same-owner"]
    text = held.getvalue().decode("utf-8", "surrogateescape")
    _, status = streaming.run_in(session, pod, container, command, text)
    _check(status)


def _fetch(session: Session, pod: Obj, container: str, source: str, target: Path) -> None:
    """Out of the container; into a folder that is there, else under the name that is given."""
    command = ["tar", "cf", "-", source]
    text, status = streaming.run_in(session, pod, container, command)
    _check(status)
    base = PurePosixPath(source.rstrip("/")).name
    # A folder is taken with what is in it, as its own name or into one that is there.
    aim = target / base if target.is_dir() and not _is_folder(text, source) else target
    data = io.BytesIO(text.encode("utf-8", "surrogateescape"))
    start = source.strip("/")
    with tarfile.open(fileobj=data, mode="r:") as archive:
        for entry in archive:
            rest = entry.name.strip("/")[len(start) :].strip("/")
            path = aim / rest if rest else aim
            if ".." in PurePosixPath(rest).parts:
                session.warn(f'warning: file "{path}" is outside target destination, skipping')
                continue
            inner = archive.extractfile(entry)
            if inner is None:
                path.mkdir(parents=True, exist_ok=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(inner.read())


def _is_folder(text: str, source: str) -> bool:
    data = io.BytesIO(text.encode("utf-8", "surrogateescape"))
    with tarfile.open(fileobj=data, mode="r:") as archive:
        first = archive.next()
        return first is not None and first.isdir() and first.name.strip("/") == source.strip("/")


def _check(status: Obj) -> None:
    if status.get("reason") == "NonZeroExitCode":
        code = int(status["details"]["causes"][0]["message"])
        raise Failed(f"command terminated with exit code {code}", 1)
    if status.get("status") != "Success":
        raise fail(status.get("message", ""))
