"""The dashboard in a real JupyterLab: why a pod waits, and a what-if beside the past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.lab import Lab
from tests.browser.test_stage import notebook
from tests.tidy import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SOURCE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from kubelab import Cluster
from tests.views.test_dashboard import pod
from tests.views.test_owners import web
c = Cluster(nodes=3, seed=0)
c.apply([*web(), pod("big", "30")])
c.settle()
c.show()
"""


@pytest.fixture(scope="module")
def lab(chromium: str, tmp_path_factory: Any) -> Iterator[Lab]:
    """A JupyterLab with one notebook."""
    folder = tmp_path_factory.mktemp("dashboard")
    notebook(folder / "dashboard.ipynb", SOURCE)
    with Lab(folder, chromium) as made:
        yield made


def test_attention_leads_to_the_reasons_by_one_click(lab: Lab) -> None:
    """Scene: a pod waits; one click shows each node's reason and the closest miss."""
    page = lab.open("dashboard.ipynb")
    view = page.locator(".kl[data-view=dashboard]")
    view.locator(".kl-attention button").first.click()
    lab.idle(page)
    said = view.locator(".kl-drawing").inner_text()
    assert said.count("asks 30, free") == 3
    assert "closest miss" in said
    assert lab.failures(page) == []
    page.close()


def test_a_what_if_stands_beside_and_marks_what_differs(lab: Lab) -> None:
    """Scene: in the past, Fork, stop a node there: two frames, the node marked, nothing moved."""
    page = lab.open("dashboard.ipynb")
    view = page.locator(".kl[data-view=dashboard]").first
    lab.press(page, view, "Back", 3)
    before = view.get_attribute("data-event")
    lab.press(page, view, "Fork: what if")
    page.wait_for_selector(".kl[data-mode=fork]")
    other = page.locator(".kl[data-mode=fork]")
    other.locator("g[data-kind=Node][data-name=node-1] text").first.click()
    lab.idle(page)
    other.get_by_role("button", name="Cut its power", exact=True).click()
    lab.idle(page)
    for _ in range(6):
        lab.press(page, other, "Run 10 s")
    assert other.locator("g[data-differs=true][data-name=node-1]").count() == 1
    assert view.get_attribute("data-mode") == "past"
    assert view.get_attribute("data-event") == before
    assert lab.failures(page) == []
    page.close()
