"""Fetches Pyodide and the pure wheels that the tests need there, once, into a scratch folder.

Pyodide comes from npm, wheels by pip; both with the clients and mirrors that this machine is set up
with. The unpacked wheels are pure Python, so every other interpreter can use the same folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.tidy import ROOT

SCRATCH = ROOT / ".pyodide"
PYODIDE = "314.0.7"
PYTHON = "3.14"

# What kubelab needs, then what its tests need.
WHEELS = ["jsonpatch", "jsonpointer", "dnspython", "pytest", "hypothesis"]
WHEELS += ["pluggy", "iniconfig", "packaging", "pygments", "sortedcontainers", "tzdata"]


class Unavailable(Exception):
    """Something could not be fetched; the message says what and why."""


def fetch(command: list[str], what: str, **env: str) -> None:
    """Runs a client of a registry."""
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    if result.returncode:
        last = (result.stderr or result.stdout).strip().splitlines()[-3:]
        raise Unavailable(f"{what} could not be fetched: " + " ".join(last))


def pyodide(npm: str) -> Path:
    """The folder of the npm package."""
    home = SCRATCH / "node_modules" / "pyodide"
    stamp = SCRATCH / f"pyodide-{PYODIDE}"
    if not stamp.exists():
        SCRATCH.mkdir(exist_ok=True)
        where = ["--prefix", str(SCRATCH), "--no-audit", "--no-fund", "--no-save"]
        fetch([npm, "install", *where, f"pyodide@{PYODIDE}"], "Pyodide")
        stamp.touch()
    return home


def site() -> Path:
    """A folder with the unpacked wheels."""
    folder, wheels, stamp = SCRATCH / "site", SCRATCH / "wheels", SCRATCH / f"site-{PYTHON}"
    if not stamp.exists():
        for old in (folder, wheels):
            shutil.rmtree(old, ignore_errors=True)
        wheels.mkdir(parents=True)
        pip = [sys.executable, "-m", "pip"]
        pure = ["--only-binary", ":all:", "--platform", "any", "--python-version", PYTHON]
        fetch([*pip, "download", "-q", "--no-deps", *pure, "-d", str(wheels), *WHEELS], "wheels")
        # PyYAML is published with a compiled part only; built without it, it is pure.
        build = ["wheel", "-q", "--no-deps", "--no-binary", "pyyaml", "-w", str(wheels), "pyyaml"]
        fetch([*pip, *build], "PyYAML", PYYAML_FORCE_LIBYAML="0")
        for wheel in sorted(wheels.glob("*.whl")):
            zipfile.ZipFile(wheel).extractall(folder)
        stamp.touch()
    return folder


def command(node: str, npm: str, module: str, *args: str) -> list[str]:
    """The command that runs a module of this project in Pyodide."""
    script = str(ROOT / "tests" / "pyodide" / "run.mjs")
    places = [str(pyodide(npm)), str(site()), str(ROOT)]
    return [node, "--experimental-wasm-stack-switching", script, *places, module, *args]
