"""What goes wrong for real people: names with markup, a kernel that is gone, things that were
deleted, an empty cluster, two browsers, a cell that is run again and again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.lab import IDLE, READY
from tests.browser.notebook import SETUP, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SMALL = """
c = Cluster(nodes=2, seed=0, dns=False)
c.settle()
c.apply([deployment("web", 2), service("web")])
c.settle()
"""


def test_markup_shows_as_text(notebook: Notebook) -> None:
    """An annotation that holds a script, and a label that holds a tag, are only text."""
    source = (
        SMALL
        + """
evil = pod("evil", labels={"app": "x"})
image = "<img src=x onerror='window.bad=1'>"
evil["metadata"]["annotations"] = {"note": image + "<script>bad=1</script>"}
evil["spec"]["containers"][0]["args"] = ["<b>bold</b>", "</details><h1>big</h1>"]
c.apply(evil)
c.settle()
views.cluster(c)
"""
    )
    view = notebook.play(source)
    notebook.click(view, kind="Pod", name="default/evil")
    view.locator(".kl-side summary").click()
    words = view.locator(".kl-side pre").inner_text()
    assert "<script>bad=1</script>" in words
    assert view.locator(".kl-side img, .kl-side h1, .kl-side b, script").count() == 0
    etcd = notebook.play('views.etcd(c, "/registry/pods/default/evil")')
    assert etcd.locator("img, h1, script").count() == 0
    assert notebook.page.evaluate("() => window.bad === undefined")


def test_an_object_that_was_deleted_says_so(notebook: Notebook) -> None:
    """The panel of a selected pod says that it is not there now, and Back brings it."""
    view = notebook.play(SMALL + 'c.apply(pod("gone"))\nc.settle()\nviews.cluster(c)')
    notebook.click(view, kind="Pod", name="default/gone")
    notebook.cell('c.delete("Pod", "gone")\nc.run(60)')
    assert "no, not at this moment" in view.locator(".kl-side").inner_text()
    notebook.press(view, "Back", 2)
    assert "phase" in view.locator(".kl-side").inner_text()


def test_an_empty_cluster_says_what_to_do(notebook: Notebook) -> None:
    """Every view of a cluster in which nothing has happened says what to press, and Step works."""
    for kind in ("cluster", "scheduler", "etcd", "controllers", "owners", "timeline"):
        view = notebook.play(f"c = Cluster(nodes=1, dns=False)\nviews.{kind}(c)")
        said = notebook.drawn(view) + notebook.said(view)
        assert "Press" in said or "press Step" in said, kind
        notebook.press(view, "Step")
        assert int(view.get_attribute("data-event")) > 0, kind


def test_a_cell_run_twenty_times_leaves_nothing_behind(notebook: Notebook) -> None:
    """Twenty runs of a cell leave one view in the page, and one widget in the kernel."""
    count = "sum(type(w).__name__ == 'Stage' for w in __import__('ipywidgets')" \
            ".widgets.widget._instances.values())"  # fmt: skip
    notebook.cell(SMALL)
    before = int(notebook.python(count))
    cell = notebook.cell("views.cluster(c)")
    for _ in range(19):
        notebook.page.evaluate("() => jupyterapp.commands.execute('notebook:run-cell')")
    notebook.lab.idle(notebook.page)
    assert cell.locator(".kl").count() == 1
    assert int(notebook.python(count)) == before + 1


def test_a_panel_beside_the_notebook(notebook: Notebook) -> None:
    """A docked view stands in a panel of its own and moves with the one in the notebook."""
    pytest.importorskip("sidecar", reason="no sidecar: pip install sidecar")
    view = notebook.play(SMALL + "views.cluster(c)")
    notebook.press(view, "More")
    notebook.press(view, "Dock this view beside the notebook")
    docked = notebook.page.locator(".kl").nth(1)
    docked.wait_for()
    notebook.press(view, "Back", 2)
    assert docked.get_attribute("data-event") == view.get_attribute("data-event")
    assert docked.locator("xpath=ancestor::*[contains(@class, 'jp-Notebook')]").count() == 0
    notebook.python("__import__('kubelab.views.desk', fromlist=['x']).desk_of(c).undock()")


def test_two_browsers_see_one_cluster(notebook: Notebook) -> None:
    """A second page on the same kernel shows the same picture after a step in the first."""
    view = notebook.play(SMALL + "views.cluster(c)")
    other: Any = notebook.lab.context.new_page()
    try:
        notebook.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
        other.goto(f"{notebook.lab.url}/lab/tree/scenes.ipynb?token={notebook.lab.token}")
        other.wait_for_function(READY)
        notebook.press(view, "Back", 2)
        event = view.get_attribute("data-event")
        twin = other.locator(".kl[data-view=cluster]").first
        if twin.count():
            twin.wait_for()
            other.wait_for_function(
                "event => document.querySelector('.kl').dataset.event === event", arg=event
            )
    finally:
        other.close()


def test_a_kernel_that_is_gone_is_said(notebook: Notebook) -> None:
    """After the kernel has died a click is answered in the view, with what to do."""
    view = notebook.play(SMALL + "views.cluster(c)")
    notebook.page.evaluate("""async () => {
      const context = jupyterapp.shell.currentWidget.context.sessionContext;
      await context.session.kernel.requestExecute({code: 'import os; os._exit(1)'}).done
        .catch(() => {});
    }""")
    dialog = notebook.page.locator(".jp-Dialog button")
    dialog.last.wait_for()
    dialog.last.click()
    view.get_by_role("button", name="Back", exact=True).first.click()
    alert = view.locator(".kl-alert")
    alert.get_by_text("run the cell again").wait_for(timeout=25_000)
    # The kernel has started again by itself; the next scenes need what it knew.
    notebook.page.wait_for_function(IDLE)
    notebook.page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    notebook.cell(SETUP)
