"""Every moment: its answer comes from a trace, in every seed, and its wrong options teach."""

from __future__ import annotations

import pytest

from kubelab.cluster import Cluster
from kubelab.learn import catalogue, session
from kubelab.learn.misconceptions import CLAIMS
from tests.learn.case import SEEDS

MOMENTS = [one for unit in catalogue.everything() for one in unit.moments]


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    """No file of progress is read or written."""
    monkeypatch.setenv("KUBELAB_STILL", "1")


@pytest.fixture(scope="module")
def untouched() -> Cluster:
    """A cluster in which nothing has happened yet."""
    c = Cluster(2)
    c.settle()
    return c


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda one: one.id)
def test_the_answer_is_read_from_the_trace(moment, untouched):
    """It is one of the options once it has happened, and open before."""
    assert moment.answer(untouched) is None
    for seed in SEEDS:
        c = moment.stage(seed)
        key = moment.answer(c)
        assert key in [option.key for option in moment.options], (seed, key)
        assert not moment.option(key).misconception, f"{key} came true, and is called wrong"
        told = moment.tells(c)
        assert told and "None" not in told, told
        if moment.cause is not None:
            causes = moment.cause(c)
            shown = [number for number, _ in session.candidates(moment, c)]
            assert causes[0] in shown and 2 <= len(shown) <= 4
            assert not set(causes[1:]) & set(shown)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda one: one.id)
def test_wrong_options_carry_misconceptions(moment):
    """Options differ, three or four; wrong ones name what makes people choose them."""
    keys = [option.key for option in moment.options]
    assert len(set(keys)) == len(keys) and 2 <= len(keys) <= 6
    named = [option.misconception for option in moment.options if option.misconception]
    assert named and set(named) <= set(CLAIMS)
    assert all(len(option.text.split()) <= 20 for option in moment.options)
    assert len(moment.asks.split()) <= 45


def test_looking_moves_nothing():
    """Comparing a guess leaves the cluster as it was."""
    for moment in MOMENTS[:6]:
        c = moment.stage(0)
        before = len(c.trace)
        session.revealed(moment, c)
        assert len(c.trace) == before
