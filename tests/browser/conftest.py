"""One JupyterLab and one open notebook for all scenes of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.lab import Lab
from tests.browser.notebook import Notebook


@pytest.fixture(scope="module")
def shared_lab(chromium: str, tmp_path_factory: Any) -> Iterator[Lab]:
    """The JupyterLab of the scenes."""
    with Lab(tmp_path_factory.mktemp("scenes"), chromium) as made:
        yield made


@pytest.fixture(scope="module")
def open_notebook(shared_lab: Lab) -> Notebook:
    """The notebook of the scenes, opened once."""
    return Notebook(shared_lab)


@pytest.fixture
def notebook(open_notebook: Notebook) -> Iterator[Notebook]:
    """The notebook, in the light theme and with no scene on it; nothing may go wrong in one."""
    yield open_notebook
    wrong = open_notebook.failures()
    open_notebook.trouble += len(wrong)
    open_notebook.page.evaluate(
        "() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"
    )
    assert wrong == []
