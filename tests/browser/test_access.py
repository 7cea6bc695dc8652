"""What everybody must be able to use: axe finds nothing in any view, in both themes; without
colours of our own, without motion, at twice the size."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.notebook import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHOP = """
c = Cluster(nodes=3, seed=0)
c.settle()
c.apply([deployment("web"), service("web"), client()])
c.settle()
name = c.list("Pod", "default", "app=web")[0]["metadata"]["name"]
"""
VIEWS = {
    "cluster": "views.cluster(c)",
    "scheduler": "views.scheduler(c, name, play=True)",
    "etcd": "views.etcd(c)",
    "raft": "views.raft(c)",
    "controllers": "views.controllers(c)",
    "dns": 'views.dns(c, "web")',
    "traffic": 'views.traffic(c, "client", "http://web/")',
    "kubelet": "views.kubelet(c, name)",
    "timeline": "views.timeline(c)",
    "owners": "views.owners(c)",
    "dashboard": "c.show()",
}
AXE = """async rules => {
  const only = {runOnly: {type: 'tag', values: rules}};
  const found = await axe.run(document.querySelectorAll('.kl'), only);
  const wrong = found.violations.map(v => v.id + ': ' + v.help + ' ' + v.nodes.slice(0, 3)
    .map(n => n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? '')).join(' | '));
  return {wrong, passed: found.passes.length};
}"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def axe() -> str:
    """The text of axe-core."""
    package: Any = pytest.importorskip("axe_playwright_python", reason="no axe")
    from pathlib import Path

    return (Path(package.__file__).parent / "axe.min.js").read_text("utf-8")


def test_axe_finds_nothing(notebook: Notebook) -> None:
    """Names, roles, contrast and order of every view, with its reasons and tables open, in both
    themes."""
    page = notebook.page
    page.evaluate(axe())
    notebook.cell(SHOP)
    wrong: dict[str, list[str]] = {}
    for kind, source in VIEWS.items():
        view = notebook.play(source)
        notebook.press(view, "Back")
        for tool in ("Why?", "Table", "More"):
            notebook.press(view, tool)
        if kind == "cluster":
            notebook.click(view, kind="Pod")
        for theme in ("dark", "light"):
            notebook.theme(theme)
            found = page.evaluate(AXE, RULES)
            assert found["passed"] > 10
            if found["wrong"]:
                wrong[f"{kind}, {theme}"] = found["wrong"]
        page.evaluate("() => jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    assert wrong == {}


def test_without_own_colours_shapes_and_words_are_left(notebook: Notebook) -> None:
    """In forced colours every button has an edge and the drawing still has its lines and words."""
    page = notebook.page
    view = notebook.play(SHOP + "views.cluster(c)")
    page.emulate_media(forced_colors="active")
    try:
        edge = view.locator("button.kl-main").evaluate("b => getComputedStyle(b).borderTopWidth")
        assert float(edge.removesuffix("px")) >= 1
        drawing = view.locator(".kl-drawing svg")
        shown = drawing.locator("text[fill='var(--kl-ink)']").first.evaluate(
            "t => getComputedStyle(t).fill"
        )
        ground = drawing.evaluate("s => getComputedStyle(s).backgroundColor")
        assert shown != ground
    finally:
        page.emulate_media(forced_colors="none")


def test_it_flows_into_one_column(notebook: Notebook) -> None:
    """In a narrow page the panel of the selected thing stands below the drawing, and what is too
    wide scrolls in its own frame."""
    page = notebook.page
    view = notebook.play(SHOP + "views.cluster(c)")
    notebook.thing(view, kind="Node", name="node-1").locator("text").first.click()
    notebook.lab.idle(page)
    view.evaluate("root => { root.style.width = '320px'; }")
    page.wait_for_timeout(200)
    drawing = view.locator(".kl-drawing").bounding_box()
    side = view.locator(".kl-side").bounding_box()
    assert drawing is not None
    assert side is not None
    assert side["y"] >= drawing["y"] + drawing["height"] - 1
    assert drawing["width"] <= 320


def test_every_target_is_large_enough(notebook: Notebook) -> None:
    """Buttons, lists and fields of the stage are at least 24 pixels high and wide."""
    view = notebook.play(SHOP + "c.show()")
    notebook.press(view, "More")
    small = view.evaluate(
        """root => [...root.querySelectorAll('button, select, input')]
             .filter(b => b.offsetParent && (b.offsetHeight < 24 || b.offsetWidth < 24))
             .map(b => b.outerHTML.slice(0, 80))"""
    )
    assert small == []


def test_a_projector_has_large_words(notebook: Notebook) -> None:
    """In projector mode text is at least 18 pixels, the sentence at least 24, the seed is said."""
    view = notebook.play("c = Cluster(nodes=3, seed=7, dns=False)\nc.settle()\n"
                         "views.cluster(c, projector=True)")  # fmt: skip
    assert view.get_attribute("data-projector") == "true"
    sizes = view.evaluate(
        """root => [...root.querySelectorAll('.kl-drawing text')].map(t => {
             const box = t.ownerSVGElement.getBoundingClientRect();
             return parseFloat(t.getAttribute('font-size')) * box.width / 960; })"""
    )
    assert min(sizes) >= 17.9
    said = view.locator(".kl-sentence").evaluate("s => parseFloat(getComputedStyle(s).fontSize)")
    assert said >= 24
    assert "seed 7" in view.locator(".kl-title").inner_text()
