"""Runs the notebooks and stores their outputs: `python -m tests.make_outputs [NAME …]`.

The outputs are stored in still form, without timestamps, random ids or counts of earlier runs, so
that making them again changes nothing where nothing has changed. It is the twin of the test that
runs each notebook and compares.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tests.tidy import ROOT

# What is not stored: a widget's model lives only as long as its kernel.
WIDGET = "application/vnd.jupyter.widget-view+json"


def run(path: Path) -> None:
    """Runs one notebook and writes it with its outputs."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=120,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    clean(notebook)
    nbformat.write(notebook, path)


def clean(notebook: Any) -> None:
    """Takes away what differs from run to run."""
    notebook.metadata.pop("widgets", None)
    language = {"name": "python"}
    notebook.metadata["language_info"] = language
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["kernelspec"] = kernel
    count = 0
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        # nbval takes a cell without a count for one that was never run.
        count += 1
        cell["execution_count"] = count
        for output in cell.outputs:
            if "execution_count" in output:
                output["execution_count"] = count
            output.get("data", {}).pop(WIDGET, None)


def main(names: list[str]) -> None:
    """Runs the named notebooks, or all."""
    os.environ["KUBELAB_STILL"] = "1"
    folder = ROOT / "notebooks"
    paths = [folder / name for name in names] or sorted(folder.glob("*.ipynb"))
    for path in paths:
        run(path)
        print(f"{path.name}: outputs stored")


if __name__ == "__main__":
    main(sys.argv[1:])
