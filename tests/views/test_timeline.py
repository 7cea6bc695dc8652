"""The timeline shows causes and effects of one event, and folds what is quiet."""

from __future__ import annotations

from itertools import pairwise

from kubelab import views
from tests.views.test_owners import made


def test_the_chain_of_an_event_stays_whole() -> None:
    """All causes of the event looked at are marks, joined by arcs from the user's own act on."""
    cluster = made()
    view = views.timeline(cluster)
    frame = view.frame
    chain = [event.id for event in cluster.why(frame["focus"])]
    related = [mark["event"] for mark in frame["marks"] if mark["related"]]
    assert set(chain) <= set(related)
    assert {tuple(arc) for arc in frame["arcs"]} >= set(pairwise(chain))
    drawn = [piece.event for piece in view.picture().pieces if piece.kind == "event"]
    assert set(chain) <= set(drawn)


def test_what_followed_from_a_selected_event() -> None:
    """Selecting the user's first act shows what it led to, up to the moment looked at."""
    cluster = made()
    view = views.timeline(cluster)
    act = cluster.why(view.cursor.focus)[0].id
    assert view.frame["followed"] == []
    followed = view.select("event", str(act)).frame["followed"]
    assert followed
    assert all(act in [event.id for event in cluster.why(number)] for number in followed)


def test_quiet_stretches_are_folded() -> None:
    """Ten minutes without a decision take as little room as any gap, and say how long they are."""
    cluster = made()
    cluster.run(600)
    cluster.delete("Deployment", "web")
    cluster.settle()
    picture = views.timeline(cluster).picture()
    assert any(piece.key.startswith("gap/") and " min<" in piece.body for piece in picture.pieces)


def test_events_can_be_kept_to_one_object() -> None:
    """Every stop names the pod asked for."""
    cluster = made()
    pod = cluster.list("Pod")[0]["metadata"]["name"]
    view = views.timeline(cluster, f"default/{pod}", by="message")
    assert view.stops.ids
    for number in view.stops.ids:
        assert pod in str(cluster.trace[number - 1].detail)


def test_an_event_can_be_selected() -> None:
    """The side panel says what it is, in the cluster's own sentence."""
    cluster = made()
    view = views.timeline(cluster)
    view.select("event", str(view.cursor.focus))
    selected = view.state()["head"]["selected"]
    assert selected["rows"][1][1] == cluster.tell(view.cursor.focus)
