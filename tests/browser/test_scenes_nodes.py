"""Scenes of pods on their nodes, and of a node that dies, in a real page."""

from __future__ import annotations

import pytest

from tests.browser.notebook import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ILL = """
c = Cluster(nodes=2, seed=0, dns=False)
c.settle()
probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 3, "failureThreshold": 3}
c.apply([pod("app", image="kubelab/http:1", labels={"app": "app"}, env={"FAIL_AFTER": "10"},
             container={"ports": [{"containerPort": 8080}], "KIND": probe}), service("app")])
c.run(8)
"""


def test_a_failed_liveness_probe_restarts_the_container(notebook: Notebook) -> None:
    """Ticks turn from good to bad; after the third in a row the container is killed and started
    anew, restarts 1, the pod and its address stay."""
    view = notebook.play(ILL.replace("KIND", "livenessProbe") + 'views.kubelet(c, "app")')
    address = notebook.python('c.get("Pod", "app")["status"]["podIP"]')
    bad = 0
    for _ in range(60):
        notebook.press(view, "Step")
        words = notebook.drawn(view)
        bad = max(bad, sum(f"{number} of 3" in words for number in (1, 2, 3)))
        if "restarts 1" in words:
            break
    assert "restarts 1" in words
    assert bad >= 1
    assert f"address {address}" in words
    assert notebook.python('c.get("Pod", "app")["status"]["podIP"]') == address


def test_a_failed_readiness_probe_kills_nothing(notebook: Notebook) -> None:
    """The same as readiness: no restart, and the pod's row in the slice is not ready."""
    view = notebook.play(ILL.replace("KIND", "readinessProbe") + 'views.kubelet(c, "app")')
    for _ in range(3):
        notebook.press(view, "Run 10 s")
    words = notebook.drawn(view)
    assert "restarts 0" in words
    assert (
        notebook.python(
            '[x["conditions"]["ready"] for s in c.list("EndpointSlice", "default", '
            '"kubernetes.io/service-name=app") for x in s["endpoints"]]'
        )
        == "[False]"
    )


def test_a_missing_secret_holds_the_pod_until_it_is_there(notebook: Notebook) -> None:
    """The strip halts at secrets and says who can end that; after the Secret is made it goes on,
    and it is the same pod."""
    source = """
c = Cluster(nodes=1, seed=0, dns=False)
c.settle()
c.apply(pod("app", volumes=[{"name": "keys", "secret": {"secretName": "db"}}],
            container={"volumeMounts": [{"name": "keys", "mountPath": "/keys"}]}))
c.run(5)
views.kubelet(c, "app", by="decision")
"""
    view = notebook.play(source)
    station = notebook.thing(view, kind="station", name="secrets, volumes")
    assert station.get_attribute("data-state") == "failed"
    words = notebook.drawn(view)
    assert 'secret "db" not found' in words
    assert "you can create it" in words
    uid = notebook.python('c.get("Pod", "app")["metadata"]["uid"]')
    notebook.cell('c.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, '
                  '"stringData": {"p": "x"}})')  # fmt: skip
    for _ in range(12):
        notebook.press(view, "Step")
        ready = notebook.thing(view, kind="station", name="ready")
        if ready.get_attribute("data-state") == "ready":
            break
    assert ready.get_attribute("data-state") == "ready"
    assert notebook.python('c.get("Pod", "app")["metadata"]["uid"]') == uid


def test_a_dead_nodes_pods_are_replaced_in_time(notebook: Notebook) -> None:
    """A node loses its power: NotReady after 40 to 55 s, replacements after about 350, the old pods
    Terminating with a question mark, the quiet stretch folded; the story tells it all."""
    source = """
c = Cluster(nodes=3, seed=0, dns=False)
c.settle()
c.apply(deployment("web"))
c.settle()
began = len(c.trace)
c.faults.stop_node("node-2")
shown = views.cluster(c)
shown
"""
    view = notebook.play(source)
    start = notebook.python("c.trace[began].ns")
    for _ in range(5):
        notebook.press(view, "Run 10 s")
    notebook.python("c.run(330)")
    line = notebook.play("views.timeline(c)")
    view = notebook.play("views.cluster(c)")
    node = notebook.thing(view, kind="Node", name="node-2")
    assert node.get_attribute("data-state") == "unknown"
    old = view.locator(".kl-drawing g[data-kind=Pod][data-state=unknown]")
    assert old.count() >= 1
    assert "?" in "".join(old.first.locator("text").all_text_contents())
    seconds = "[round((e.ns - {start}) / 1e9) for e in c.trace[began:] if {test}][0]"
    marked = "e.target == 'etcd-1' and e.detail.get('key') == '/registry/minions/node-2'"
    unknown = seconds.format(start=start, test=marked)
    assert 40 <= int(notebook.python(unknown)) <= 55
    fresh = seconds.format(start=start, test="e.verb == 'schedule_one' and e.detail.get('pod')")
    assert 340 <= int(notebook.python(fresh)) <= 365
    assert line.locator(".kl-drawing g[data-key^='gap/']").count() >= 1
    story = notebook.python("views.story(c, since_event=began, lines=20)")
    assert "You cut the power of node-2." in story
    assert "seconds pass" in story
    assert "node-2" in story


def test_by_keyboard_alone_in_the_dark(notebook: Notebook) -> None:
    """Tab, arrows, w and t are enough; nothing moves by animation, each sentence is in a live
    region, and the table holds what the drawing holds."""
    page = notebook.page
    notebook.theme("dark")
    page.emulate_media(reduced_motion="reduce")
    try:
        source = """
c = Cluster(nodes=3, seed=0, dns=False)
c.settle()
c.apply(deployment("web"))
c.settle()
c.delete("Pod", c.list("Pod", "default")[0]["metadata"]["name"])
views.controllers(c)
"""
        view = notebook.play(source)
        view.focus()
        told = []
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "w", "t"):
            page.keyboard.press(key)
            notebook.lab.idle(page)
            told.append(notebook.said(view))
            running = page.evaluate("() => document.getAnimations().filter(a => "
                                    "a.effect.target.closest?.('.kl')).length")  # fmt: skip
            assert running == 0
        assert all(told)
        assert view.locator(".kl-sentence").get_attribute("aria-live") == "polite"
        assert view.locator(".kl-why li").count() >= 2
        tables = view.locator(".kl-tables").inner_text()
        for loop in notebook.thing(view, kind="loop").all():
            label = loop.get_attribute("aria-label") or ""
            assert label.split(":")[0] in tables
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.closest('.kl') !== null")
    finally:
        page.emulate_media(reduced_motion="no-preference")
        notebook.theme("light")
