"""Scenes of scheduling, in a real page: why not here, what if it counted more, your guess."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.notebook import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FULL = """
c = Cluster(nodes=3, seed=0)
c.settle()
c.apply([pod(f"old-{n}", "1800m", nodeSelector={"kubernetes.io/hostname": f"node-{n}"})
         for n in (1, 2, 3)])
c.settle()
c.apply(pod("big", "3"))
"""


def test_three_columns_drop_one_at_a_time(notebook: Notebook) -> None:
    """A pod asks for 3 cpu, each node has about 2 free: one column after the other turns, each with
    its numbers, and the line assembled at the end is the scheduler's own message."""
    view = notebook.play(FULL + 'views.scheduler(c, "big")')
    notebook.press(view, "Step")
    for dropped in (0, 1, 2, 3):
        assert notebook.thing(view, kind="Node", state="failed").count() == dropped
        words = notebook.drawn(view)
        assert words.count("asks 3, free ") == dropped
        if dropped:
            assert f"drops node-{dropped}" in notebook.said(view)
        notebook.press(view, "Step")
    message = notebook.python('c.scheduler.explain("big").message')
    assert message.startswith("0/3 nodes are available: 3 Insufficient cpu.")
    rows = notebook.thing(view, kind="message").locator("text").all_text_contents()
    assert " ".join(rows) == message


def test_a_pending_pod_is_explained_by_one_click(notebook: Notebook) -> None:
    """The line of attention leads to the reasons node by node, and to the closest miss."""
    view = notebook.play(FULL + "c.settle()\nc.show()")
    view.locator(".kl-attention button").first.click()
    notebook.lab.idle(notebook.page)
    words = notebook.drawn(view)
    assert words.count("asks 3, free") == 3
    near = next(line for line in words.splitlines() if "closest miss" in line)
    assert "cpu short" in near


AFFINE = """
c = Cluster(nodes=3, seed=0, dns=False)
c.settle()
c.kubectl("taint nodes node-3 slow=yes:PreferNoSchedule")
c.settle()
wish = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-3"]}
soft = [{"weight": 1, "preference": {"matchExpressions": [wish]}}]
c.apply(pod("pick", "1", affinity={
    "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": soft}}))
"""


def test_a_weight_moved_on_a_fork_moves_the_winner(notebook: Notebook) -> None:
    """Another weight makes a what-if with another winner; the decision itself stays, and the
    points drawn add up to the totals that the scheduler counts."""
    view = notebook.play(AFFINE + 'views.scheduler(c, "pick", by="decision").step()')
    before = notebook.thing(view, kind="Node", state="ready").get_attribute("data-name")
    assert before != "node-3"
    notebook.choose(view, "Weight of", "NodeAffinity")
    slider = view.locator("input[data-input=weight]")
    slider.fill("20")
    slider.dispatch_event("change")
    notebook.page.wait_for_selector(".kl[data-mode=fork]")
    notebook.lab.idle(notebook.page)
    other = notebook.page.locator(".kl[data-mode=fork]")
    winner = notebook.thing(other, kind="Node", state="ready")
    assert winner.get_attribute("data-name") == "node-3"
    assert notebook.thing(view, kind="Node", state="ready").get_attribute("data-name") == before
    assert notebook.python('c.scheduler.explain("pick").node') == before
    totals = notebook.python(
        'c.scheduler.what_if("pick", weights={"NodeAffinity": 20}).after.to_dict()["totals"]'
    )
    drawn = notebook.thing(other, kind="total").locator("text:first-of-type").all_text_contents()
    assert all(f": {number}" in totals for number in drawn)
    assert len(drawn) == 3


@pytest.mark.parametrize("seed", [0, 3])
def test_a_guess_is_judged_by_this_cluster(notebook: Notebook, seed: int) -> None:
    """The learner names a node, then Step shows it; the outcome beside it is this seed's own."""
    source = f"""
c = Cluster(nodes=3, seed={seed}, dns=False)
c.settle()
c.apply(pod("any"))
views.scheduler(c, "any", by="decision", play=True)
"""
    view = notebook.play(source)
    notebook.press(view, "Step")
    assert "say what happens next" in view.locator(".kl-alert").inner_text()
    view.get_by_label("node-1", exact=True).check()
    notebook.press(view, "Commit")
    notebook.press(view, "Step")
    verdict = view.locator(".kl-verdict")
    node = notebook.python('c.scheduler.explain("any").node')
    assert "You said: node-1" in verdict.inner_text()
    assert f"It was: {node}" in verdict.inner_text()
    assert (node == "node-1") == (seed == 3)
    assert verdict.get_attribute("data-right") == str(seed == 3).lower()


def test_the_sweep_descends_to_a_run(notebook: Notebook) -> None:
    """The top rung draws one outcome for each weight; a click shows its run as a what-if."""
    view = notebook.play(AFFINE + 'views.scheduler(c, "pick", by="decision").step()')
    notebook.choose(view, "Weight of", "NodeAffinity")
    notebook.choose(view, "Step by", "sweep")
    panels: Any = notebook.thing(view, kind="outcome")
    assert panels.count() >= 6
    assert "goes to node-3" in notebook.drawn(view)
    notebook.click(view, kind="outcome", name="50")
    notebook.page.wait_for_selector(".kl[data-mode=fork]")
    other = notebook.page.locator(".kl[data-mode=fork]")
    assert notebook.thing(other, kind="Node", name="node-3", state="ready").count() == 1
