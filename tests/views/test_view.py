"""Stepping: what every view has from the stage, whatever it shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab import views
from kubelab.views.view import View
from tests.views.stand_in import StandIn, pod, story


def drawing(view: View) -> str:
    """The picture, as bytes that can be compared."""
    return view.picture().svg()


def every_view(cluster: StandIn) -> list[View]:
    """One view of each kind that a stand-in can show."""
    return [views.scheduler(cluster, "web"), views.etcd(cluster), views.cluster(cluster)]


@pytest.mark.parametrize(("number", "steps"), [(0, 8), (1, 3), (2, 2)])
def test_back_is_exact(number: int, steps: int) -> None:
    """After as many Backs as Steps the drawing is the first one again, and no event was undone."""
    cluster = story(fits=True, cpu="1")
    cluster.step(9)
    view = every_view(cluster)[number]
    first = drawing(view)
    view.step(steps)
    size = len(cluster.trace)
    assert drawing(view) != first
    view.back(steps)
    assert drawing(view) == first
    assert len(cluster.trace) == size
    assert view.state()["head"]["mode"] == "past"


@given(st.lists(st.sampled_from(["step", "back", "first", "now"]), max_size=25))
def test_any_way_to_a_moment_gives_the_same_drawing(moves: list[str]) -> None:
    """However a viewer came to a cursor, the picture there is the one that a fresh view draws."""
    cluster = story(fits=True, cpu="1")
    for view in every_view(cluster):
        for move in moves:
            getattr(view, move)()
        direct = View(cluster, view.kind, view.options, by=view.by)
        direct.cursor = view.cursor
        assert drawing(view) == drawing(direct)
        assert 0 <= view.cursor.focus <= view.cursor.event <= len(cluster.trace)


def test_step_moves_the_cluster_only_at_the_present() -> None:
    """In the past, Step walks along the trace; at its end it plays the next event that matters."""
    cluster = story()
    view = views.etcd(cluster)
    view.step(3)
    size = len(cluster.trace)
    view.first()
    assert view.cursor.event == 1
    view.step(2)
    assert len(cluster.trace) == size
    view.step()
    assert len(cluster.trace) > size


def test_step_says_when_nothing_is_left() -> None:
    """With nothing under way, Step leaves the cluster alone and says so."""
    cluster = story()
    cluster.settle()
    view = views.etcd(cluster)
    size = len(cluster.trace)
    view.step()
    assert len(cluster.trace) == size
    assert "Nothing more happens" in view.alert


def test_views_of_a_cluster_share_the_cursor_and_the_selection() -> None:
    """What one view looks at, the others look at too, and so with what is selected."""
    cluster = story()
    one, other = views.etcd(cluster), views.cluster(cluster)
    one.step(6)
    one.back(2)
    assert other.cursor.event == one.cursor.event
    other.select("Pod", "default/old-1")
    selected = one.state()["head"]["selected"]
    assert selected["title"] == "Pod old-1"
    assert ["node", "node-1"] in selected["rows"]


def test_views_of_two_clusters_share_nothing() -> None:
    """Each cluster has a cursor of its own."""
    first, second = story(), story()
    one, other = views.etcd(first), views.etcd(second)
    one.step(3)
    assert other.cursor.event == 0
    assert one.desk is not other.desk


def test_a_view_follows_a_cluster_that_a_cell_moved() -> None:
    """A view at the present stays at the present when the cluster is moved by others."""
    cluster = story()
    view = views.etcd(cluster)
    cluster.step(5)
    assert view.is_stale
    assert view.state()["head"]["event"] == 5
    assert view.state()["head"]["mode"] == "now"


def test_a_rewound_cluster_is_seen_anew() -> None:
    """Stops of a future that never happened are forgotten."""
    cluster = story()
    view = views.etcd(cluster)
    cluster.settle()
    before = list(view.stops.ids)
    cluster.trace = cluster.trace[:2]
    cluster.writes = cluster.writes[:2]
    assert view.stops.ids == before[:2]
    assert view.now().state()["head"]["event"] == 2


def test_the_chain_of_causes_begins_with_the_user() -> None:
    """The chain of a decision leads back to the request that made the pod, each with its actor."""
    cluster = story()
    cluster.settle()
    view = views.scheduler(cluster, "web")
    chain = view.state()["head"]["chain"]
    assert [link["actor"] for link in chain] == ["api", "etcd", "api", "scheduler", "scheduler"]
    assert view.story().startswith("1. t+00:00.007")
    assert len(view.story().splitlines()) == len(chain)


def test_unknown_rungs_are_refused_in_words() -> None:
    """A wrong `by` names the three that there are."""
    with pytest.raises(ValueError, match="message, decision, outcome"):
        views.etcd(story(), by="second")
    with pytest.raises(ValueError, match="there is no event 99"):
        views.etcd(story()).jump(99)


def test_names_that_hold_markup_show_as_text() -> None:
    """A name with tags or quotes is escaped in the drawing and in the still form."""
    cluster = story()
    evil = '<script>alert("x")</script>'
    cluster.writes_object(f"/registry/pods/default/{evil}", pod(evil))
    cluster.settle()
    for view in every_view(cluster):
        data = view._repr_mimebundle_()
        assert "<script" not in view.picture().svg() + data["text/html"]
