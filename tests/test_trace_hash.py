"""The same seed and calls give the same trace: in fresh processes, and on every Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pyodide import prepare
from tests.tidy import ROOT

OTHERS = ["3.10", "3.11", "3.12", "3.13", "3.14"]


def run(command: list[str], **env: str) -> str:
    """What a command prints, after it ended well."""
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    assert result.returncode == 0, result.stderr[-4000:] or result.stdout[-4000:]
    said = result.stdout.strip()
    assert re.fullmatch(r"[0-9a-f]{64} [1-9]\d* events", said), said
    return said


@pytest.fixture(scope="module")
def reference() -> str:
    """The hash on this Python with one order of hashes."""
    return run([sys.executable, "-m", "tests.trace_hash"], PYTHONHASHSEED="0")


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_order_of_hashes_does_not_matter(reference, seed):
    """A fresh process with another PYTHONHASHSEED has the same trace, byte for byte."""
    assert run([sys.executable, "-m", "tests.trace_hash"], PYTHONHASHSEED=seed) == reference


def interpreter(version: str) -> str | None:
    """A working Python of this version, on PATH or installed by pyenv."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    installed = sorted(root.glob(f"versions/{version}.*/bin/python"))
    for candidate in [f"python{version}", *map(str, installed)]:
        try:
            result = subprocess.run([candidate, "-V"], capture_output=True, text=True, check=False)
        except OSError:
            continue
        if result.returncode == 0 and result.stdout.startswith(f"Python {version}."):
            return candidate
    return None


@pytest.mark.slow
@pytest.mark.parametrize("version", OTHERS)
def test_other_pythons_agree(reference, version, fetched):
    """Every other CPython at hand has the same trace."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        pytest.skip(f"Python {version} is the one that runs the tests")
    other = interpreter(version)
    if other is None:
        pytest.skip(f"no Python {version} on this machine")
    path = os.pathsep.join([str(ROOT), str(fetched(prepare.site))])
    assert run([other, "-B", "-m", "tests.trace_hash"], PYTHONPATH=path) == reference


@pytest.mark.slow
@pytest.mark.pyodide
def test_pyodide_agrees(reference, node, npm, fetched):
    """The Python of browsers has the same trace."""
    assert run(fetched(prepare.command, node, npm, "tests.trace_hash")) == reference
