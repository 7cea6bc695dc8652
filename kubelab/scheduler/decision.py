"""The decision record: everything that was weighed for a pod in one scheduling cycle.

It holds the filters that ran and each node's verdict, the raw and normalised scores with their
weights, the totals, the message that users read, and whom preemption chose. It is compact: names
once, columns of numbers; `to_dict` unfolds it.

In Kubernetes: nothing like it; the scheduler's log at verbosity 10 shows parts. The message is that
of framework.FitError.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest
from itertools import islice
from typing import Any, NamedTuple

from kubelab.scheduler.framework import Status

# Nodes that stay in a record when it is cut down to save memory.
NODES_KEPT = 12


class Scores(NamedTuple):
    """One plugin's column: a number for each node of `Decision.feasible`."""

    plugin: str
    weight: int
    raw: tuple[int, ...]
    normalized: tuple[int, ...]


class Decision(NamedTuple):
    """What became of one pod in one cycle."""

    pod: str
    ns: int
    node: str | None
    message: str
    # How many nodes there were in all.
    total: int
    # The Filter plugins that ran, in order, and the verdicts: None where the node passed.
    ran: tuple[str, ...]
    verdicts: tuple[tuple[str, Status | None], ...]
    # The nodes that were scored, and the scores; empty where there was no choice.
    feasible: tuple[str, ...]
    scores: tuple[Scores, ...]
    totals: tuple[int, ...]
    nominated_node: str | None = None
    victims: tuple[str, ...] = ()
    # Plugins that refused the pod: their events may wake it.
    refused_by: tuple[str, ...] = ()
    scheduler: str = "default-scheduler"

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data."""
        return {
            "pod": self.pod,
            "node": self.node,
            "message": self.message,
            "filters": {name: self._filters(status) for name, status in self.verdicts},
            "scores": self._scores(),
            "totals": dict(zip(self.feasible, self.totals, strict=True)),
            "nominatedNode": self.nominated_node,
            "victims": list(self.victims),
        }

    def _filters(self, status: Status | None) -> dict[str, list[str]]:
        passed: dict[str, list[str]] = {}
        for plugin in self.ran:
            if status is not None and plugin == status.plugin:
                passed[plugin] = list(status.reasons)
                break
            passed[plugin] = []
        return passed

    def _scores(self) -> dict[str, dict[str, dict[str, int]]]:
        return {
            node: {
                column.plugin: {
                    "raw": column.raw[index],
                    "normalized": column.normalized[index],
                    "weight": column.weight,
                    "weighted": column.weight * column.normalized[index],
                }
                for column in self.scores
            }
            for index, node in enumerate(self.feasible)
        }

    @property
    def failures(self) -> list[tuple[str, Status]]:
        """The nodes that were refused, each with the verdict."""
        return [(name, status) for name, status in self.verdicts if status is not None]

    @property
    def size(self) -> int:
        """Roughly how many numbers and names the record holds."""
        return 4 + len(self.verdicts) + (2 * len(self.scores) + 1) * len(self.feasible)

    def ranking(self) -> list[tuple[str, int]]:
        """The scored nodes with their totals, best first; equal ones in the order of the search."""
        order = sorted(range(len(self.totals)), key=self.totals.__getitem__, reverse=True)
        return [(self.feasible[index], self.totals[index]) for index in order]

    def trimmed(self) -> Decision:
        """The same decision with only the best and the first refused nodes."""
        best = nlargest(NODES_KEPT, range(len(self.totals)), key=self.totals.__getitem__)
        keep = sorted(best)
        names = {self.feasible[index]: None for index in keep}
        refused = islice((one for one in self.verdicts if one[1] is not None), NODES_KEPT)
        passed = islice((one for one in self.verdicts if one[0] in names), len(names))
        return self._replace(
            verdicts=(*passed, *refused),
            feasible=tuple(self.feasible[index] for index in keep),
            totals=tuple(self.totals[index] for index in keep),
            scores=tuple(
                column._replace(
                    raw=tuple(column.raw[index] for index in keep),
                    normalized=tuple(column.normalized[index] for index in keep),
                )
                for column in self.scores
            ),
        )


def fit_error(
    total: int, statuses: Iterable[Status], pre_filter: str = "", post_filter: str = "",
    absent: Status | None = None, absent_count: int = 0,
) -> str:  # fmt: skip
    """The message of a pod that fits nowhere.

    `statuses` are the verdicts of the nodes; `absent` is that of the nodes that were never looked
    at. The counted reasons are sorted as texts, so `10 …` goes before `2 …`.
    """
    message = f"0/{total} nodes are available:"
    if pre_filter:
        message += f" {pre_filter}."
    else:
        counts: dict[str, int] = {}
        for status in statuses:
            for reason in status.reasons:
                counts[reason] = counts.get(reason, 0) + 1
        if absent is not None and absent_count > 0:
            for reason in absent.reasons:
                counts[reason] = counts.get(reason, 0) + absent_count
        parts = sorted((f"{count} {reason}" for reason, count in counts.items()), key=str.encode)
        if parts:
            message += f" {', '.join(parts)}."
    if post_filter:
        message += f" {post_filter}"
    return message
