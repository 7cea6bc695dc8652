"""The scheduler view tells one decision, part by part, with the scheduler's own numbers."""

from __future__ import annotations

import json
from pathlib import Path

from kubelab import views
from kubelab.views.view import View
from tests.views.stand_in import decide, pod, refused, story

GOLDEN = Path(__file__).parent / "golden" / "scheduler.json"


def states(view: View) -> dict[str, str]:
    """The nodes drawn, with their states."""
    return {p.name: p.state for p in view.picture().pieces if p.kind == "Node"}


def test_three_nodes_are_dropped_one_step_at_a_time() -> None:
    """A pod that asks for 3 of 2 free cpu: each Step drops one node and says both numbers."""
    cluster = story(cpu="3")
    view = views.scheduler(cluster, "web")
    view.step(2)
    assert set(states(view).values()) == {"working"}
    for number in (1, 2, 3):
        view.step()
        said = view.state()["head"]["sentence"]["text"]
        assert said.startswith(f"Scheduler drops node-{number} because")
        assert "asks 3, free 2 of 4" in said
        assert list(states(view).values()).count("failed") == number
    view.step()
    assert view.frame["message"] == "0/3 nodes are available: 3 Insufficient cpu."
    assert view.frame["near"] == "node-1, 1 cpu short"


def test_the_message_is_assembled_from_the_cells() -> None:
    """Before the end the reasons are counted as far as they were told."""
    view = views.scheduler(story(), "web")
    view.step(4)
    assert view.frame["assembled"] == ["2 Insufficient cpu"]
    assert view.frame["message"] == ""


def test_scores_add_up_to_the_totals() -> None:
    """At the end the column sums are the decision's totals, and the winner is marked."""
    cluster = story(fits=True, cpu="1")
    view = views.scheduler(cluster, "web", by="decision")
    view.step()
    data = view.frame
    assert data["winner"] == "node-1"
    assert data["totals"] == {"node-1": 390, "node-2": 389, "node-3": 388}
    assert states(view)["node-1"] == "ready"


def test_an_earlier_decision_is_shown_in_the_past() -> None:
    """Of two decisions on a pod, Back shows the first one, not the last."""
    cluster = story()
    cluster.settle()
    first = views.scheduler(cluster, "web", by="decision").cursor.focus
    decide(cluster, refused(cluster, "web", ["node-1"]))
    view = views.scheduler(cluster, "web", by="decision")
    view.step()
    assert view.frame["all"] == 1
    view.back()
    assert view.cursor.focus == first
    assert view.frame["all"] == 3


def test_many_nodes_fold_into_rows() -> None:
    """From 13 nodes on a part is a plugin's row, six columns are drawn, and all are counted."""
    cluster = story(nodes=50)
    view = views.scheduler(cluster, "web", by="decision")
    view.step()
    data = view.frame
    assert len(data["columns"]) == 6
    assert data["dropped"] == {"NodeResourcesFit": 50}
    assert len(view.picture().pieces) < 100


def test_without_a_pod_the_next_decision_is_shown() -> None:
    """`views.scheduler(c)` takes whatever the scheduler decides next."""
    view = views.scheduler(story(), by="decision")
    assert "No pod waits" in view.picture().svg()
    assert view.step().frame["pod"] == "default/web"


def test_waiting_pods_are_listed_with_their_queue() -> None:
    """A pod that was refused stands as unschedulable, another as active."""
    cluster = story()
    told = {"type": "PodScheduled", "status": "False"}
    cluster.writes_object("/registry/pods/default/old", pod("old", conditions=[told]))
    cluster.settle()
    waiting = views.scheduler(cluster, "web").frame["waiting"]
    assert [(row["name"], row["state"]) for row in waiting] == [
        ("default/web", "active"), ("default/old", "unschedulable"),
    ]  # fmt: skip


def test_frames_are_as_recorded(update_golden: bool) -> None:
    """The plain data of every step of a small decision, as recorded."""
    cluster = story(fits=True, cpu="1")
    view = views.scheduler(cluster, "web")
    frames = [view.step().frame for _ in range(8)]
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(frames, indent=1) + "\n", "utf-8")
    assert json.loads(json.dumps(frames)) == json.loads(GOLDEN.read_text("utf-8"))
