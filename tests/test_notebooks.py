"""Every notebook runs from top to bottom, and its stored outputs are what comes out.

The world is deterministic, so words and pictures are compared to the letter. `KUBELAB_STILL=1`
makes the views give their still form, which is what is stored: it reads well without a kernel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.tidy import ROOT

NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 120
WIDGET = "application/vnd.jupyter.widget-view+json"


def cells(name: str) -> list[dict]:
    """The code cells of a notebook."""
    notebook = json.loads((ROOT / "notebooks" / name).read_text("utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_gives_its_stored_outputs(name):
    """Each cell runs, and gives what is stored below it."""
    pytest.importorskip("nbval", reason="no nbval: pip install -e '.[test]'")
    options = ["--nbval", "--nbval-current-env", f"--nbval-cell-timeout={CELL_SECONDS}"]
    # The settings of our own tests are not meant for cells.
    options += ["-q", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "filterwarnings="]
    command = [sys.executable, "-m", "pytest", *options, f"notebooks/{name}"]
    env = {**os.environ, "KUBELAB_STILL": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_reads_well_without_a_kernel(name):
    """Outputs are stored, none is an error, none needs a widget's state."""
    outputs = [output for cell in cells(name) for output in cell["outputs"]]
    assert outputs, "no output is stored: run the notebook and save it"
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert not [output for output in outputs if WIDGET in output.get("data", {})]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_opens_in_every_front_end(name):
    """It says that its language is Python, and stores no state of widgets."""
    notebook = json.loads((ROOT / "notebooks" / name).read_text("utf-8"))
    assert notebook["metadata"]["language_info"]["name"] == "python"
    assert "widgets" not in notebook["metadata"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_cell_is_short(name):
    """A code cell has fewer than 15 lines; what is longer belongs in the package."""
    lengths = [len("".join(cell["source"]).splitlines()) for cell in cells(name)]
    assert max(lengths) < 15
