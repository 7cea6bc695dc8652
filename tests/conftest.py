"""What all tests share: what the machine lacks is said in clear words.

The fixtures `node` and `chromium` give the path of the program, or skip the test and say what to
install. `--update-golden` is the twin of every comparison with a recorded answer.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

# Properties are tried with the same examples in every run; a slow machine is no failure.
settings.register_profile("kubelab", derandomize=True, deadline=None, database=None)
settings.load_profile("kubelab")

# What a browser's Python has not: sockets, processes, threads; and the tools themselves.
if sys.platform == "emscripten":
    collect_ignore_glob = [
        "browser/*",
        "pyodide/*",
        "serve/*",
        "test_contracts.py",
        "test_lint.py",
        "test_notebooks.py",
        "test_packaging.py",
        "test_serve*.py",
        "test_trace_hash.py",
    ]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes the recorded answers anew; read the diff before you commit it."""
    parser.addoption("--update-golden", action="store_true", help="record the golden files anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test marked `native` is skipped where there are no processes, sockets or threads."""
    if sys.platform == "emscripten":
        for item in items:
            if item.get_closest_marker("native"):
                item.add_marker(pytest.mark.skip(reason="no processes or sockets in a browser"))


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew instead of compared."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def node() -> str:
    """The path of node; skips where there is none."""
    return program("node", "apt-get install nodejs npm")


@pytest.fixture(scope="session")
def npm() -> str:
    """The path of npm; skips where there is none."""
    return program("npm", "apt-get install npm")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium; skips where there is none."""
    pytest.importorskip("playwright", reason="no playwright: pip install playwright")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return program("chromium", "apt-get install chromium fonts-dejavu-core")


@pytest.fixture(scope="session")
def fetched() -> Callable[..., Any]:
    """Calls a function that fetches from a registry; skips where none answers, but not in CI."""
    from tests.pyodide.prepare import Unavailable

    def call(function: Callable[..., Any], *args: str) -> Any:
        try:
            return function(*args)
        except Unavailable as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))

    return call


def program(name: str, remedy: str) -> str:
    """The path of a program, or a skip that says how to get it."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"no {name} on this machine: {remedy}")
    return path
