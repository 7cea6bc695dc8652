"""The linter, the formatter and the type checker have nothing to say, notebooks included."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.tidy import ROOT


def run(module: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs a tool on the repository; skips where it is not installed."""
    pytest.importorskip(module, reason=f"no {module}: pip install -e '.[test]'")
    command = [sys.executable, "-m", module, *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_linter_is_content():
    """`ruff check` finds nothing; `ruff check --fix` mends what can be mended by itself."""
    result = run("ruff", "check", "--no-cache", "--output-format=concise", ".")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_formatter_would_change_nothing():
    """`ruff format` has been run."""
    result = run("ruff", "format", "--no-cache", "--check", ".")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_the_types_are_right():
    """mypy finds nothing: strictly in the kernel, the objects and the store, normally elsewhere."""
    result = run("mypy", "--no-error-summary")
    assert result.returncode == 0, result.stdout + result.stderr
