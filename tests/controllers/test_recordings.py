"""Our controllers do what real ones did, recorded; what is not equal yet is listed here."""

from __future__ import annotations

import pytest

from tests.controllers.recorded import Scene, play, stories

STORIES = stories()
# What we answer otherwise so far; these may only become fewer.
UNEQUAL: dict[str, list[str]] = {
    "deploy": [
        "deploy: image while paused",
    ],
    "pdb": [
        "pdb: pdb just after",
    ],
    "quota": [
        "quota: events",
    ],
    "sched": [
        "sched: events",
    ],
}


@pytest.mark.parametrize("name", STORIES)
def test_a_recorded_story_comes_out_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects, conditions, Events and answers are those of a real cluster, entry by entry."""
    # The autoscaler of the recording was set to look more often.
    monkeypatch.setattr("kubelab.controllers.horizontal.PERIOD_SECONDS", 5.0)
    known = UNEQUAL.get(name, [])
    different = [entry for entry, theirs, ours in play(STORIES[name], Scene()) if theirs != ours]
    fresh = [entry for entry in different if entry not in known]
    mended = [entry for entry in known if entry not in different]
    assert not fresh, f"not what a real cluster does: {fresh}"
    assert not mended, f"equal now, so take them off the list: {mended}"
