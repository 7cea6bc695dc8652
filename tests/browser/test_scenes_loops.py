"""Scenes of the control loops and of etcd, in a real page."""

from __future__ import annotations

import pytest

from tests.browser.notebook import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WEB = """
c = Cluster(nodes=3, seed=0, dns=False)
c.settle()
c.apply([deployment("web"), service("web")])
c.settle()
"""


def circles(notebook: Notebook, view: object) -> dict[str, str]:
    """Each pod drawn on a node, with the words of its label."""
    found = notebook.thing(view, kind="Pod").evaluate_all(
        "all => all.map(g => [g.dataset.name, g.getAttribute('aria-label')])"
    )
    return dict(found)


def test_a_deleted_pod_is_replaced_and_none_moves(notebook: Notebook) -> None:
    """The loop shows 3 − 2 = 1, then a pod of another name stands without a node, then on one; no
    pod is ever seen on two nodes."""
    loops = notebook.play(WEB + "everywhere = views.cluster(c)\nviews.controllers(c)")
    whole = notebook.play("everywhere")
    before = circles(notebook, whole)
    notebook.python('c.delete("Pod", c.list("Pod", "default")[0]["metadata"]["name"])')
    for _ in range(8):
        notebook.press(loops, "Step")
        if "ReplicaSet controller" in notebook.said(loops):
            break
    assert "3 − 2 = 1" in notebook.drawn(loops)
    assert "because" in notebook.said(loops)
    places: dict[str, set[str]] = {}
    fresh: list[str] = []
    for _ in range(12):
        notebook.press(whole, "Step")
        for name, label in circles(notebook, whole).items():
            places.setdefault(name, set()).add(label.rpartition(" on ")[2])
            if name not in before and name not in fresh:
                fresh.append(name)
                assert "no node yet" in label
        if fresh and "no node yet" not in circles(notebook, whole).get(fresh[0], "no node yet"):
            break
    assert len(fresh) == 1
    assert len(places[fresh[0]]) == 2
    assert all(len(seen - {"no node yet"}) == 1 for seen in places.values())


def test_a_stopped_manager_leaves_the_gap(notebook: Notebook) -> None:
    """Stopped, its lanes are hollow and the gap stays; started, it lists and makes exactly two."""
    view = notebook.play(WEB + "view = views.controllers(c)\nview")
    notebook.click(view, kind="component", name="controller-manager")
    notebook.press(view, "Stop")
    notebook.cell('c.kubectl("scale deployment web --replicas=5")')
    notebook.press(view, "Settle")
    assert notebook.thing(view, kind="loop", state="stopped").count() >= 1
    assert "default/web: wish 5, pods 3" in notebook.drawn(view)
    size = int(notebook.python("len(c.trace)"))
    notebook.press(view, "Start")
    notebook.press(view, "Settle")
    made = notebook.python(
        f"sum(e.verb == 'request' and e.detail.get('method') == 'POST' and e.detail.get('kind') == "
        f"'Pod' and e.actor == 'controller-manager' for e in c.trace[{size}:])"
    )
    listed = notebook.python(
        f"any(e.target == 'controller-manager' and e.detail.get('listed') is not None "
        f"for e in c.trace[{size}:])"
    )
    assert (made, listed) == ("2", "True")
    assert "wish 5" not in notebook.drawn(view)


def test_a_click_on_a_revision_shows_the_store_as_it_was(notebook: Notebook) -> None:
    """Three applies are three boxes; the middle one shows its value, as `c.at` has it."""
    source = """
c = Cluster(nodes=1, seed=0, dns=False)
c.settle()
for number in ("1", "2", "3"):
    c.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes"},
             "data": {"number": number}})
views.etcd(c, "/registry/configmaps/default/notes")
"""
    view = notebook.play(source)
    boxes = notebook.thing(view, kind="revision")
    assert boxes.count() == 3
    second = boxes.nth(1)
    revision = second.get_attribute("data-name")
    second.click()
    notebook.lab.idle(notebook.page)
    assert view.get_attribute("data-mode") == "past"
    assert view.get_attribute("data-revision") == revision
    words = notebook.drawn(view)
    assert "data.number" in words
    assert "1 → 2" in words
    then = notebook.python(
        f'c.at(revision={revision}).get("ConfigMap", "notes", "default")["data"]["number"]'
    )
    assert then == "2"


def test_a_reader_behind_catches_up_by_steps(notebook: Notebook) -> None:
    """By message, a write is drawn first with its readers on their way, then with one after the
    other having heard of it."""
    source = """
c = Cluster(nodes=1, seed=0, dns=False)
c.settle()
view = views.etcd(c, "/registry/pods/")
view
"""
    view = notebook.play(source)
    notebook.cell('c.apply(pod("one"))\nview.mine()')
    behind, caught = 0, 0
    for _ in range(10):
        notebook.press(view, "Step")
        waiting = view.locator(".kl-drawing g[data-kind=component][data-state=waiting]").count()
        behind = max(behind, waiting)
        caught = max(caught, notebook.thing(view, kind="component", state="ready").count())
    assert behind >= 1
    assert caught >= 1


def test_five_members_cut_two_from_three(notebook: Notebook) -> None:
    """A line drawn across the ring parts the leader with one other from three: what is put there
    stays dashed, the three elect, and after healing the entry is replaced, with the reason."""
    source = """
from kubelab.etcd import EtcdCluster
c = EtcdCluster(5, seed=0)
c.run(3)
lead = c.leader
view = views.raft(c)
view
"""
    view = notebook.play(source)
    lead = notebook.python("lead")
    start, end = around(notebook, view, lead)
    view.locator(".kl-drawing svg").scroll_into_view_if_needed()
    notebook.page.wait_for_timeout(300)
    box = view.locator(".kl-drawing svg").bounding_box()
    assert box is not None
    scale = box["width"] / 960
    mouse = notebook.page.mouse
    mouse.move(box["x"] + start[0] * scale, box["y"] + start[1] * scale)
    mouse.down()
    mouse.move(box["x"] + end[0] * scale, box["y"] + end[1] * scale, steps=6)
    mouse.up()
    notebook.lab.idle(notebook.page)
    sizes = notebook.python("[[len(g) for g in e.detail['groups']] for e in c.trace if "
                            "'groups' in e.detail][-1:]")  # fmt: skip
    assert sizes in ("[[2, 3]]", "[[3, 2]]")
    notebook.choose(view, "by way of", lead)
    notebook.press(view, "Put a value")
    log = notebook.thing(view, kind="log", name=lead)
    notebook.press(view, "Run 10 s")
    assert log.locator("rect[stroke-dasharray]").count() >= 1
    after = notebook.python("c.leader")
    assert after != lead
    notebook.press(view, "Heal all links")
    notebook.press(view, "Run 10 s")
    assert log.locator("rect[stroke-dasharray]").count() == 0
    told = notebook.python("[c.tell(e) for e in c.trace if 'overwritten' in e.detail]")
    assert "because no majority had agreed on them" in told


def around(notebook: Notebook, view: object, lead: str) -> tuple[list[float], list[float]]:
    """The ends of a line that has the leader and one neighbour on one side."""
    places = notebook.thing(view, kind="component").evaluate_all(
        """all => all.map(g => [g.dataset.name,
             g.getAttribute('transform').match(/[-0-9.]+/g).map(Number)])"""
    )
    found = dict(places)
    names = sorted(found)
    pair = [lead, names[(names.index(lead) + 1) % len(names)]]
    rest = [name for name in names if name not in pair]
    mean = [
        [sum(found[n][i] for n in group) / len(group) for i in (0, 1)] for group in (pair, rest)
    ]
    middle = [(a + b) / 2 for a, b in zip(*mean, strict=True)]
    dx, dy = mean[1][0] - mean[0][0], mean[1][1] - mean[0][1]
    length = (dx * dx + dy * dy) ** 0.5
    far = 150 / length
    one = [middle[0] - dy * far, middle[1] + dx * far]
    other = [middle[0] + dy * far, middle[1] - dx * far]
    inside = [max(min(v, 395), 6) for v in one], [max(min(v, 395), 6) for v in other]
    return inside


def test_without_a_majority_nothing_is_written_and_pods_answer(notebook: Notebook) -> None:
    """Two of three members stopped: the scale warns, a write fails, the pods still answer."""
    source = """
c = Cluster(nodes=2, seed=0, etcd=3)
c.settle()
c.apply([deployment("web", 2), service("web"), client()])
c.settle()
c.faults.stop("etcd-1")
c.faults.stop("etcd-2")
c.run(5)
views.raft(c)
"""
    view = notebook.play(source)
    quorum = notebook.thing(view, kind="quorum")
    assert quorum.get_attribute("data-state") == "failed"
    assert "1 of 3 reach each other, 2 must agree" in (quorum.get_attribute("aria-label") or "")
    failed = notebook.python('c.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": '
                             '"Namespace", "metadata": {"name": "late"}}).status')  # fmt: skip
    assert int(failed) >= 500
    traffic = notebook.play('views.traffic(c, "client", "http://web/", by="decision")')
    notebook.press(traffic, "Send")
    for _ in range(6):
        notebook.press(traffic, "Step")
    assert "answer 200" in notebook.drawn(traffic)
