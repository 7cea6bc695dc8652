"""One open notebook in which scenes are played one after the other, each in a cell of its own.

One server, one page and one kernel for all scenes: opening a page costs many seconds, running a
cell few. `play` runs a cell and gives its view; `press`, `click` and `fill` act as a learner does
and wait until the kernel has answered; `python` asks the kernel what is true.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.browser.lab import Lab

SETUP = "from kubelab import Cluster, views\nfrom tests.browser.cast import *"


def write(path: Path, *cells: str) -> None:
    """Writes a notebook of these code cells."""
    made = [
        {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "source": source.strip(),
         "outputs": [], "execution_count": None}
        for number, source in enumerate(cells)
    ]  # fmt: skip
    language = {"language_info": {"name": "python"}, "kernelspec": {
        "name": "python3", "display_name": "Python 3", "language": "python"}}  # fmt: skip
    text = {"nbformat": 4, "nbformat_minor": 5, "metadata": language, "cells": made}
    path.write_text(json.dumps(text), "utf-8")


class Notebook:
    """See the module."""

    def __init__(self, lab: Lab, name: str = "scenes.ipynb") -> None:
        self.lab = lab
        write(lab.folder / name, SETUP)
        self.page = lab.open(name)
        self.trouble = len(lab.trouble)

    def theme(self, name: str) -> None:
        """Changes JupyterLab's theme: light or dark."""
        wanted = f"JupyterLab {name.capitalize()}"
        self.page.evaluate(
            "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", wanted
        )
        light = str(name == "light").lower()
        self.page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{light}'")
        self.page.wait_for_timeout(200)

    def cell(self, source: str) -> Any:
        """Adds a cell, runs it, and gives its place on the page."""
        number = self.page.evaluate(ADD, source)
        self.lab.idle(self.page)
        cell = self.page.locator(".jp-Notebook > .jp-Cell, .jp-Notebook .jp-Cell").nth(number)
        errors = cell.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']")
        said = " ".join(errors.all_inner_texts()) if errors.count() else ""
        assert not self.failures(), (self.failures(), said)
        return cell

    def play(self, source: str) -> Any:
        """Adds a cell that ends with a view, runs it, and gives the view."""
        view = self.cell(source).locator(".kl").first
        view.wait_for()
        return view

    def press(self, view: Any, button: str, times: int = 1) -> None:
        """Presses a button of a view."""
        for _ in range(times):
            view.get_by_role("button", name=button, exact=True).first.click()
            self.lab.idle(self.page)

    def click(self, view: Any, **data: str) -> None:
        """Clicks the first thing of a drawing that has these data attributes."""
        self.thing(view, **data).first.click()
        self.lab.idle(self.page)

    def thing(self, view: Any, **data: str) -> Any:
        """The things of a drawing that have these data attributes."""
        wanted = "".join(f'[data-{name}="{value}"]' for name, value in data.items())
        return view.locator(f".kl-drawing g{wanted}")

    def choose(self, view: Any, label: str, value: str) -> None:
        """Chooses from a list of a view."""
        view.get_by_label(label, exact=True).select_option(value)
        self.lab.idle(self.page)

    def fill(self, view: Any, label: str, value: str) -> None:
        """Writes into a field of a view and leaves it."""
        field = view.get_by_label(label)
        field.fill(value)
        field.press("Enter")
        field.blur()
        self.lab.idle(self.page)

    def python(self, code: str) -> str:
        """What an expression is in the kernel, as text."""
        return str(self.page.evaluate(ASK, f"print({code})")).strip()

    def said(self, view: Any) -> str:
        """The sentence of a view."""
        return str(view.locator(".kl-sentence").inner_text())

    def drawn(self, view: Any) -> str:
        """All words in a drawing."""
        return "\n".join(view.locator(".kl-drawing text").all_text_contents())

    def failures(self) -> list[str]:
        """What went wrong in this notebook since it was opened."""
        return self.lab.failures(self.page)[self.trouble :]


ADD = """async source => {
  const notebook = jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = notebook.widgets.length - 1;
  await jupyterapp.commands.execute('notebook:insert-cell-below');
  notebook.activeCell.model.sharedModel.setSource(source);
  const number = notebook.activeCellIndex;
  await jupyterapp.commands.execute('notebook:run-cell');
  return number;
}"""

ASK = """async code => {
  const kernel = jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
  const future = kernel.requestExecute({code, store_history: false});
  let text = '';
  future.onIOPub = m => {
    if (m.header.msg_type === 'stream') text += m.content.text;
    if (m.header.msg_type === 'error') text += m.content.ename + ': ' + m.content.evalue;
  };
  await future.done;
  return text;
}"""
