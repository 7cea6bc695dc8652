"""The notebooks' folded solutions: each passes its check; each exercise has one, and a cell."""

from __future__ import annotations

import json
import re

import pytest

from kubelab import Cluster, views
from kubelab.learn import catalogue, session
from kubelab.learn.catalogue import Exercise
from tests.tidy import ROOT

FOLDER = ROOT / "notebooks"
CODE = re.compile(r"```python\n(.*?)```", re.S)


def tagged(tag: str) -> dict[str, str]:
    """The cells with a tag, by the exercise that they belong to."""
    found = {}
    for path in sorted(FOLDER.glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if tag in cell["metadata"].get("tags", ()):
                found[cell["metadata"]["exercise"]] = "".join(cell["source"])
    return found


SOLUTIONS = tagged("solution")
EXERCISES = [one.id for unit in catalogue.everything() for one in unit.exercises]


@pytest.fixture(autouse=True)
def beside_the_notebooks(monkeypatch):
    """Solutions read the manifests beside the notebooks; no progress is kept."""
    monkeypatch.setenv("KUBELAB_STILL", "1")
    monkeypatch.chdir(FOLDER)


@pytest.mark.parametrize("number", EXERCISES)
def test_an_exercise_has_a_cell_and_a_solution(number):
    """A learner finds both in the notebook."""
    assert number in SOLUTIONS
    assert f'check("{number}"' in tagged("exercise")[number]


@pytest.mark.parametrize("number", sorted(SOLUTIONS))
def test_a_solution_passes(number):
    """The code in the folded cell leaves in `answer` what the check takes."""
    found = CODE.search(SOLUTIONS[number])
    assert found is not None
    names = {"Cluster": Cluster, "views": views}
    exec(compile(found[1], f"solution {number}", "exec"), names)
    exercise = catalogue.find(number)
    assert isinstance(exercise, Exercise)
    verdict = session.judged(exercise, names["answer"])
    assert verdict.passed, verdict
