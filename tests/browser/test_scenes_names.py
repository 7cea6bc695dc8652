"""Scenes of names and traffic, in a real page."""

from __future__ import annotations

import pytest

from tests.browser.notebook import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHOP = """
c = Cluster(nodes=3, seed=0)
c.settle()
c.apply([deployment("web"), service("web"), client()])
c.settle()
"""


def test_a_name_of_another_namespace_takes_two_questions(notebook: Notebook) -> None:
    """`api.prod` is not found under the pod's own namespace, then it is; a click on the answer
    selects the Service in all views."""
    source = """
c = Cluster(nodes=2, seed=0)
c.settle()
c.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}})
c.apply([deployment("api", 1, "prod"), service("api", "api", "prod"), client()])
c.settle()
owners = views.owners(c)
views.dns(c, "api.prod", by="decision")
"""
    view = notebook.play(source)
    other = notebook.play("owners")
    for _ in range(6):
        notebook.press(view, "Step")
        if notebook.thing(view, kind="query", state="ready").count():
            break
    rungs = notebook.thing(view, kind="query").evaluate_all(
        "all => all.map(g => [g.dataset.name, g.dataset.state])"
    )
    answered = [row for row in rungs if row[1] != "waiting"]
    assert answered == [
        ["A api.prod.default.svc.cluster.local.", "failed"],
        ["A api.prod.svc.cluster.local.", "ready"],
    ]
    assert "NXDOMAIN" in notebook.drawn(view)
    notebook.click(view, kind="Service", name="prod/api")
    for one in (view, other):
        assert "Service api" in one.locator(".kl-side h4").first.inner_text()
    assert other.locator("g.kl-selected[data-name='prod/api']").count() == 1


def test_a_headless_name_has_one_address_for_each_ready_pod(notebook: Notebook) -> None:
    """As many addresses as ready pods; with one pod unready there is one fewer."""
    source = """
c = Cluster(nodes=3, seed=0)
c.settle()
probe = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 2}
c.apply([pod(f"web-{number}", image="kubelab/http:1", labels={"app": "web"},
             env={"FAIL_AFTER": "40"} if number == 2 else {},
             container={"readinessProbe": probe}) for number in range(3)])
c.apply([service("web", clusterIP="None"), client()])
c.settle()
views.dns(c, "web", by="decision")
"""
    view = notebook.play(source)
    assert resolved(notebook, view) == 3
    # Long enough for the probe to fail, and for CoreDNS to forget what it has cached.
    notebook.cell("c.run(60)")
    assert resolved(notebook, view) == 2


def resolved(notebook: Notebook, view: object) -> int:
    """Asks, goes to the end, and counts the addresses drawn."""
    notebook.press(view, "Ask")
    for _ in range(5):
        notebook.press(view, "Step")
        if view.locator(".kl-alert").inner_text():  # type: ignore[attr-defined]
            break
    notebook.press(view, "Back")
    answer = view.locator(".kl-drawing g[data-key=answer]")  # type: ignore[attr-defined]
    rows = answer.locator("text").all_text_contents()
    return sum(row.split(" ")[-1].startswith("10.244.") for row in rows)


def test_a_hundred_requests_are_spread(notebook: Notebook) -> None:
    """Of 100 requests each of three endpoints gets 20 to 47; the proxy stands off the path."""
    view = notebook.play(SHOP + 'views.traffic(c, "client", "http://web/", by="decision")')
    notebook.press(view, "Send 100")
    rows = view.locator(".kl-drawing g[data-key^='endpoint/']").all()
    counts = [int((row.get_attribute("aria-label") or "").split(", ")[1].split(" ")[0])
              for row in rows]  # fmt: skip
    assert len(counts) == 3
    assert sum(counts) == 100
    assert all(20 <= count <= 47 for count in counts)
    pill = notebook.thing(view, kind="component").first
    assert "not on the path" in (pill.get_attribute("aria-label") or "")


def test_a_stale_node_sends_to_a_dead_address(notebook: Notebook) -> None:
    """With the proxy of one node stopped and all endpoints replaced, that node's request ends at a
    dead address, the rule that sent it there is shown; another node's request succeeds."""
    source = """
c = Cluster(nodes=3, seed=0)
c.settle()
here = {"kubernetes.io/hostname": "node-1"}
there = {"kubernetes.io/hostname": "node-2"}
near, far = client(), client()
near["metadata"]["name"], near["spec"]["nodeSelector"] = "near", here
far["metadata"]["name"], far["spec"]["nodeSelector"] = "far", there
c.apply([deployment("web"), service("web"), near, far])
c.settle()
c.faults.stop("kube-proxy/node-1")
for old in c.list("Pod", "default", "app=web"):
    c.delete("Pod", old["metadata"]["name"])
c.run(60)
views.traffic(c, "near", "http://web/", by="decision")
"""
    view = notebook.play(source)
    notebook.press(view, "Send")
    for _ in range(8):
        notebook.press(view, "Step")
    words = notebook.drawn(view)
    live = notebook.python('[p["status"]["podIP"] for p in c.list("Pod", "default", "app=web")]')
    chosen = next(line for line in words.splitlines() if line.startswith("chooses "))
    assert chosen.split(" ")[1].split(":")[0] not in live
    assert notebook.thing(view, kind="hop", state="failed").count() >= 1
    other = notebook.play('views.traffic(c, "far", "http://web/", by="decision")')
    notebook.press(other, "Send")
    for _ in range(8):
        notebook.press(other, "Step")
    assert "answer 200" in notebook.drawn(other)


def test_a_typo_in_a_selector_is_refused_at_once(notebook: Notebook) -> None:
    """Traffic ends with "refused at once: no endpoints"; owners underlines what does not match."""
    source = """
c = Cluster(nodes=2, seed=0)
c.settle()
c.apply([deployment("web"), service("web", "wbe"), client()])
c.settle()
views.traffic(c, "client", "http://web/")
"""
    view = notebook.play(source)
    notebook.press(view, "Send")
    for _ in range(8):
        notebook.press(view, "Step")
    words = notebook.drawn(view)
    assert "has no endpoints: refused at once" in words
    assert notebook.thing(view, kind="hop", state="failed").count() >= 1
    owners = notebook.play("views.owners(c)")
    drawn = notebook.thing(owners, kind="Service", name="default/web")
    assert drawn.get_attribute("data-state") == "failed"
    assert "app=wbe" in " ".join(drawn.locator("text").all_text_contents())
    marked = drawn.locator("path[stroke='var(--kl-alarm)']")
    assert marked.count() >= 2
