"""The tour, as a newcomer meets it: opened, run from top to bottom, then stepped by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import Lab
from tests.tidy import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module", params=["light", "dark"])
def lab(request: Any, chromium: str, tmp_path_factory: Any) -> Iterator[Lab]:
    """A JupyterLab in each theme, on a copy of the notebooks."""
    folder: Path = tmp_path_factory.mktemp("tour") / "notebooks"
    shutil.copytree(ROOT / "notebooks", folder)
    with Lab(folder, chromium, theme=request.param) as made:
        yield made


def test_the_tour_runs_and_its_first_picture_steps(lab: Lab) -> None:
    """After running all cells, one Step shows a later event, one sentence and a ring."""
    page = lab.open("00-tour.ipynb")
    views = page.locator(".kl")
    assert views.count() >= 8
    first = views.first
    before = int(first.get_attribute("data-event"))
    lab.press(page, first, "Step")
    assert int(first.get_attribute("data-event")) > before
    assert first.locator(".kl-sentence").inner_text().count(".") >= 1
    assert first.locator("g[data-changed=true]").count() >= 1
    assert lab.failures(page) == []
    page.close()


def test_twelve_steps_and_twelve_backs(lab: Lab) -> None:
    """Back is exact: after as many Backs the drawing and the moment are the first ones again."""
    page = lab.open("00-tour.ipynb")
    view = page.locator(".kl").first
    drawn = "svg => svg.innerHTML"
    before = view.locator("svg").evaluate(drawn)
    at = view.get_attribute("data-event")
    lab.press(page, view, "Step", 12)
    size = view.get_attribute("data-event")
    lab.press(page, view, "Back", 12)
    assert view.get_attribute("data-event") == at
    assert view.get_attribute("data-mode") == "past"
    assert view.locator("svg").evaluate(drawn) == before
    lab.press(page, view, "Now")
    assert int(view.get_attribute("data-event")) >= int(size)
    assert lab.failures(page) == []
    page.close()


def test_stored_outputs_read_without_a_kernel(lab: Lab) -> None:
    """A freshly opened copy, not run, shows every picture as an image with alt text."""
    page = lab.open("00-tour.ipynb", run=False)
    images = page.locator(".jp-OutputArea-output img[alt]")
    images.first.wait_for()
    assert images.count() >= 8
    assert all(image.get_attribute("alt") for image in images.all())
    assert page.locator(".kl").count() == 0
    page.close()


def test_the_first_picture_stands_on_the_first_screen(lab: Lab) -> None:
    """Picture and Step are seen without scrolling, in a window of 1280 by 900."""
    page = lab.open("00-tour.ipynb")
    page.evaluate("""() => {
      const pane = jupyterapp.shell.currentWidget.content.node;
      (pane.querySelector('.jp-WindowedPanel-outer') || pane).scrollTop = 0;
    }""")
    box = page.locator(".kl").first.locator("button.kl-main").bounding_box()
    assert box is not None and 0 < box["y"] < 860
    page.close()
