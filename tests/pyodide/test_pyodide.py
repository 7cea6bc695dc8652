"""kubelab passes its tests on the Python of browsers too, so that a kernel there stays possible."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.pyodide import prepare
from tests.tidy import ROOT


@pytest.mark.pyodide
@pytest.mark.slow
def test_the_suite_passes_in_pyodide(node, npm, fetched):
    """All tests but those of sockets, processes, front ends and tools pass in Pyodide."""
    args = ["-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
    command = fetched(prepare.command, node, npm, "pytest", *args)
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = result.stdout[-6000:] + result.stderr[-2000:]
    assert result.returncode == 0, said
    assert re.search(r"\d+ passed", result.stdout), said
