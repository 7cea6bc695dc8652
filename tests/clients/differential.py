"""The real kubectl and the built-in one, side by side: what they print and what they leave behind.

Every command runs twice, each time on a fork of the same cluster: once with the real binary over a
socket and once in the process. Compared are exit code, stdout, stderr, and afterwards every object
of both clusters. The clock of both stands still while a command runs, unless the command waits for
something. Ages that kubectl itself computes go by the real clock, so the built-in one is given the
same.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from kubelab import Cluster
from kubelab.apiserver import stored
from kubelab.kubectl.commands import execute

# How fast time passes for a command that waits.
SPEED = 30
# How long time passes between two commands.
PAUSE_SECONDS = 1


class Said(NamedTuple):
    """What a run of kubectl ended with."""

    code: int
    out: str
    err: str


class Clocked:
    """A cluster whose clock, for kubectl's own reckoning of ages, is the real one."""

    def __init__(self, cluster: Cluster, url: str) -> None:
        self.cluster = cluster
        self.url = url

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cluster, name)

    @property
    def now(self) -> datetime:
        """The real time."""
        return datetime.now(timezone.utc)


class Pair:
    """A cluster on which commands run twice."""

    def __init__(
        self, cluster: Cluster, binary: str, folder: Path, files: Mapping[str, str]
    ) -> None:
        self.cluster = cluster
        self.binary = binary
        self.folder = folder
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        self.server = cluster.serve(speed=0)
        self.env = {
            **os.environ, "HOME": str(folder), "KUBECONFIG": self.server.kubeconfig, "TZ": "UTC",
            "KUBECTL_EXTERNAL_DIFF": "",
        }  # fmt: skip

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.stop()

    def alone(self, text: str) -> None:
        """Runs a command with the built-in one only, for what it leaves behind."""
        here = os.getcwd()
        os.chdir(self.folder)
        try:
            execute(self.cluster, shlex.split(text.removeprefix("~")), "", "")
        finally:
            os.chdir(here)
        self.cluster.run(PAUSE_SECONDS)

    def run(self, text: str, stdin: str = "") -> tuple[Said, Said, list[str]]:
        """What the real one said, what the built-in one did, and which objects then differ."""
        waits = text.startswith("~")
        words = shlex.split(text.removeprefix("~"))
        real, ours = self.cluster.fork(), self.cluster.fork()
        self.server.cluster = real
        self.server.speed = SPEED if waits else 0
        ended = subprocess.run(
            [self.binary, *words],
            capture_output=True, text=True, check=False, env=self.env, timeout=120,
            cwd=self.folder, input=stdin,
        )  # fmt: skip
        self.server.speed = 0
        said = Said(ended.returncode, ended.stdout, ended.stderr)
        here = os.getcwd()
        os.chdir(self.folder)
        try:
            built_in = Said(*execute(Clocked(ours, self.server.url), words, stdin, ""))
        finally:
            os.chdir(here)
        left = [] if waits else list(differences(real, ours))
        ours.run(PAUSE_SECONDS)
        self.cluster = ours
        return said, built_in, left


def differences(one: Cluster, other: Cluster) -> Iterator[str]:
    """Which objects are not alike in two clusters, by name, and the first field that differs."""
    first, second = _objects(one), _objects(other)
    for key in sorted({*first, *second}):
        if key not in first or key not in second:
            yield f"{key}: only {'there' if key in first else 'here'}"
        elif first[key] != second[key]:
            yield f"{key}: {_path(first[key], second[key])}"


def _objects(cluster: Cluster) -> dict[str, Any]:
    return {
        stored.text(kv.key): _plain(stored.decode(kv)) for kv in cluster.moment().keys("/registry/")
    }


def _plain(value: Any, key: str = "") -> Any:
    """An object without what any further request would change."""
    if isinstance(value, Mapping):
        return {
            name: _plain(inner, name)
            for name, inner in value.items()
            if name not in ("resourceVersion", "uid", "time")
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _path(one: Any, other: Any) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if one.get(key) != other.get(key):
                return f".{key}{_path(one.get(key), other.get(key))}"
    if isinstance(one, list) and isinstance(other, list):
        for at, (a, b) in enumerate(zip(one, other, strict=False)):
            if a != b:
                return f"[{at}]{_path(a, b)}"
    return f": {one!r} is {other!r} here"


def masked(text: str) -> str:
    """What no two runs share: where the binary lies, and how long a request took."""
    return re.sub(r"/tmp/[A-Za-z]+-\d+", "/tmp/LIVE", text)
