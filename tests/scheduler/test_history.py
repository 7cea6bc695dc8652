"""The record of decisions: the last few of each pod, bounded in memory."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.scheduler import history
from kubelab.scheduler.decision import NODES_KEPT, Decision, Scores
from kubelab.scheduler.history import Decisions


def decision(pod: str, ns: int, nodes: int) -> Decision:
    """A decision over so many nodes; the later in the list, the better."""
    names = tuple(f"n{index:03}" for index in range(nodes))
    points = tuple(range(nodes))
    return Decision(
        pod, ns, names[-1], "", nodes, ("NodeName",), tuple((name, None) for name in names),
        names, (Scores("ImageLocality", 1, points, points),), points,
    )  # fmt: skip


def test_last_few_of_a_pod() -> None:
    """Each pod keeps its last four decisions, the newest last."""
    kept = Decisions()
    for ns in range(7):
        kept.add(decision("p", ns, 2))
    assert [one.ns for one in kept.by_pod["p"]] == [3, 4, 5, 6]


def test_old_ones_are_cut_down(monkeypatch: Any) -> None:
    """When all together grow too large, the oldest keep only their best nodes."""
    monkeypatch.setattr(history, "KEPT_SIZE", 1000)
    kept = Decisions()
    for number in range(4):
        kept.add(decision(f"p{number}", number, 100))
    first, last = kept.by_pod["p0"][0], kept.by_pod["p3"][0]
    assert (len(first.feasible), len(last.feasible)) == (NODES_KEPT, 100)
    assert first.ranking()[0] == ("n099", 99)
    assert first.to_dict()["totals"]["n088"] == 88
    assert first.total == 100


def test_number_is_bounded(monkeypatch: Any) -> None:
    """Of too many pods the oldest are forgotten."""
    monkeypatch.setattr(history, "KEPT_RECORDS", 10)
    kept = Decisions()
    for number in range(50):
        kept.add(decision(f"p{number}", number, 1))
    assert list(kept.by_pod) == [f"p{number}" for number in range(40, 50)]
    assert len(kept.full) == 10


@pytest.mark.parametrize("nodes", [1, 12, 13])
def test_trimming_keeps_small_ones(nodes: int) -> None:
    """A decision over few nodes loses nothing."""
    whole = decision("p", 0, nodes)
    assert (whole.trimmed() == whole) == (nodes <= NODES_KEPT)
