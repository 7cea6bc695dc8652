"""The stage in a real JupyterLab: buttons, keys, words and themes, as a learner meets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import Lab
from tests.tidy import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SOURCE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.views.stand_in import story
from kubelab import views
cluster = story()
view = views.scheduler(cluster, "web")
view
"""


def notebook(path: Path, *cells: str) -> None:
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


@pytest.fixture(scope="module", params=["light", "dark"])
def lab(request: Any, chromium: str, tmp_path_factory: Any) -> Iterator[Lab]:
    """A JupyterLab in each theme, with one notebook."""
    folder = tmp_path_factory.mktemp("lab")
    notebook(folder / "stage.ipynb", SOURCE, "views.etcd(cluster)")
    with Lab(folder, chromium, theme=request.param) as made:
        yield made


def test_step_and_back_in_a_page(lab: Lab) -> None:
    """Step shows the next event with its sentence and a ring; Back comes to the same drawing."""
    page = lab.open("stage.ipynb")
    view = page.locator(".kl[data-view=scheduler]")
    lab.press(page, view, "Step", 2)
    before = view.locator("svg").evaluate("svg => svg.innerHTML")
    lab.press(page, view, "Step", 2)
    assert "drops node-2" in view.locator(".kl-sentence").inner_text()
    assert view.locator("g[data-kind=Node][data-state=failed]").count() == 2
    assert view.locator("g[data-changed=true]").count() >= 1
    lab.press(page, view, "Back", 2)
    assert view.locator("svg").evaluate("svg => svg.innerHTML") == before
    lab.press(page, view, "First")
    assert view.get_attribute("data-mode") == "past"
    assert page.locator(".kl[data-view=etcd]").get_attribute("data-mode") == "past"
    lab.press(page, view, "Now")
    assert view.get_attribute("data-mode") == "now"
    assert lab.failures(page) == []
    page.close()


def test_keys_words_and_table(lab: Lab) -> None:
    """Arrows step, w and t open the reasons and the table, and no key reaches the notebook."""
    page = lab.open("stage.ipynb")
    view = page.locator(".kl[data-view=scheduler]")
    view.focus()
    cells = page.locator(".jp-Cell").count()
    for key in ("ArrowRight", "n", "ArrowRight", "b", "w", "t"):
        page.keyboard.press(key)
        lab.idle(page)
    assert view.get_attribute("data-part") == "1"
    assert view.locator(".kl-why li").count() >= 3
    assert view.locator(".kl-tables table").count() >= 1
    assert view.locator("[aria-live=polite]").inner_text() != ""
    assert "3 nodes" in (view.locator("svg").get_attribute("aria-label") or "")
    page.keyboard.press("a")
    assert page.locator(".jp-Cell").count() == cells
    assert lab.failures(page) == []
    page.close()


def test_a_shape_is_selected_in_all_views(lab: Lab) -> None:
    """A click on a node shows its facts beside the drawing, with the kubectl line for the same."""
    page = lab.open("stage.ipynb")
    view = page.locator(".kl[data-view=scheduler]")
    lab.press(page, view, "Step", 3)
    view.locator("g[data-name=node-1]").click()
    lab.idle(page)
    side = page.locator(".kl-side")
    assert side.count() == 2
    assert "kubectl describe node node-1" in side.first.inner_text()
    page.close()


def test_the_theme_decides_the_ground(lab: Lab) -> None:
    """The drawing's ground is light on a light page and dark on a dark one."""
    page = lab.open("stage.ipynb")
    view = page.locator(".kl[data-view=scheduler]")
    ground = view.evaluate("root => getComputedStyle(root).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}[lab.theme]
    page.close()


def test_a_cell_run_again_closes_its_earlier_view(lab: Lab) -> None:
    """Ten runs of a cell leave one view behind, not ten."""
    page = lab.open("stage.ipynb")
    for _ in range(3):
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
        lab.idle(page)
    assert page.locator(".kl[data-view=scheduler]").count() == 1
    count = page.evaluate(COUNT)
    assert int(count) == 2
    page.close()


COUNT = """async () => {
  const kernel = jupyterapp.shell.currentWidget.context.sessionContext.session.kernel;
  const code = "from ipywidgets import Widget; import ipywidgets.widgets.widget as w; "
    + "print(sum(type(x).__name__ == 'Stage' for x in w._instances.values()))";
  const future = kernel.requestExecute({code, store_history: false});
  let text = '';
  future.onIOPub = m => { if (m.header.msg_type === 'stream') text += m.content.text; };
  await future.done;
  return text;
}"""
