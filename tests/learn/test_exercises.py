"""Every exercise: right ways pass, the untouched start and every cheat fail, on every seed."""

from __future__ import annotations

import pytest

from kubelab.learn import catalogue, session
from kubelab.learn.catalogue import Exercise
from tests.learn.case import SEEDS, cases

pytestmark = pytest.mark.slow

IDS = [one.id for unit in catalogue.everything() for one in unit.exercises]
TRIED = cases()
RIGHT = [(one, way) for one in IDS for way in TRIED[one].right]
CHEATS = [(one, way) for one in IDS for way in TRIED[one].cheats]


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    """No file of progress is read or written."""
    monkeypatch.setenv("KUBELAB_STILL", "1")


def verdict(number: str, thing: object, seed: int):
    """What a check says."""
    exercise = catalogue.find(number)
    assert isinstance(exercise, Exercise)
    found = session.judged(exercise, thing, seed)
    assert found.error is None, found.error
    return found


@pytest.mark.parametrize("number", IDS)
def test_enough_is_tried(number):
    """Each exercise has at least two right ways and two cheats, hints, and a known way."""
    exercise, case = catalogue.find(number), TRIED[number]
    assert len(case.right) >= 2 and len(case.cheats) >= 2
    assert 2 <= len(exercise.hints) <= 4
    assert set(exercise.ways) <= {"V1", "V2", "V3", "V4", "V5"} and exercise.ways
    assert exercise.form in ("worked", "half", "open", "transfer")


@pytest.mark.parametrize("number", IDS)
def test_the_untouched_start_fails(number):
    """What the notebook begins with is not a solution."""
    for seed in SEEDS:
        found = verdict(number, TRIED[number].start(seed), seed)
        assert not found.passed and found.plain()


@pytest.mark.parametrize(("number", "way"), RIGHT)
def test_a_right_way_passes(number, way):
    """Whoever solves it is believed, by whichever way."""
    for seed in SEEDS:
        found = verdict(number, TRIED[number].right[way](seed), seed)
        assert found.passed, f"seed {seed}: {found}"


@pytest.mark.parametrize(("number", "way"), CHEATS)
def test_a_cheat_fails(number, way):
    """Whoever cheats is told what was looked at, seen and wanted, or why it cannot be judged."""
    for seed in SEEDS:
        found = verdict(number, TRIED[number].cheats[way](seed), seed)
        assert not found.passed, f"seed {seed}: {found}"
        if found.state == "failed":
            assert found.looked_at and found.saw and found.wanted and found.hint
        else:
            assert found.todo, found


@pytest.mark.parametrize("number", IDS)
@pytest.mark.parametrize("thing", [5, "an answer in words", [], {}, 2.5, object(), Exercise, print])
def test_a_wrong_thing_is_told_in_a_sentence(number, thing):
    """Whatever is handed in, there is one sentence and the next step, and no traceback."""
    found = verdict(number, thing, 0)
    assert not found.passed
    assert "Traceback" not in found.plain()
    assert found.todo or found.hint, found
