"""Exports: a page that steps without a kernel, and a sheet of numbered frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubelab import views
from tests.views.stand_in import story
from tests.views.test_owners import made


def test_the_page_stands_alone_and_moves_nothing(tmp_path: Path) -> None:
    """It names no other host, holds every step, and neither viewer nor cluster has moved."""
    view = views.scheduler(story(), "web").step(6)
    cursor = view.cursor
    text = views.export(view, tmp_path / "web.html")
    assert (tmp_path / "web.html").read_text("utf-8") == text
    assert "src=" not in text
    assert "//cdn" not in text
    assert view.cursor == cursor
    assert text == views.export(view)


def test_a_name_cannot_end_the_script() -> None:
    """Markup in an object's name stays data."""
    cluster = made()
    evil = "</script><script>alert(1)</script>"
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"},
                   "spec": {"containers": [{"name": "x", "image": evil}]}})  # fmt: skip
    cluster.settle()
    assert evil not in views.export(views.cluster(cluster), steps=5)


def test_the_sheet_has_numbered_frames() -> None:
    """Eight pictures with alt texts and sentences."""
    text = views.sheet(views.cluster(made()))
    assert text.count("<img alt=") == 8
    assert "<b>8.</b>" in text


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_steps_in_a_browser(chromium: str, tmp_path: Path) -> None:
    """Step and Back draw the recorded pictures; no error stands on the console."""
    from playwright.sync_api import sync_playwright

    views.export(views.scheduler(story(), "web").step(6), tmp_path / "web.html")
    trouble: list[Any] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto((tmp_path / "web.html").as_uri())
        view = page.locator(".kl")
        first = view.locator("svg").inner_html()
        for button in ("Step", "Step", "Step"):
            view.get_by_role("button", name=button, exact=True).click()
            page.wait_for_timeout(80)
        assert view.locator("svg").inner_html() != first
        for _ in range(3):
            view.get_by_role("button", name="Back", exact=True).click()
            page.wait_for_timeout(80)
        assert view.locator("svg").inner_html() == first
        browser.close()
    assert trouble == []
