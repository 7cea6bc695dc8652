"""The incident lab: broken clusters to mend, drawn from a seed."""

from __future__ import annotations

from kubelab.learn.telling import Note, Shown


def incident(number: int, seed: int | None = None) -> Shown:
    """A broken cluster to mend."""
    return Note(f"there is no incident {number!r}", "come back later")
