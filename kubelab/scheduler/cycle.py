"""One pod's scheduling cycle, as a function of the picture of the nodes.

PreFilter narrows or refuses, Filter sorts the nodes, PreScore and Score rank those that are left.
Nothing here sends or waits: the answer is an `Outcome`, and what follows from it is the scheduler's
business. Of many nodes only some are looked at: the search starts where the last one ended and
stops when enough feasible ones are found.

In Kubernetes: pkg/scheduler/schedule_one.go (schedulePod, findNodesThatFitPod, prioritizeNodes) and
framework/runtime (RunPreFilterPlugins, RunFilterPluginsWithNominatedPods).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kubelab.scheduler.asking import PluginError, ask, nonsense
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.decision import Decision, Scores, fit_error
from kubelab.scheduler.filtering import check, compile_filters, search
from kubelab.scheduler.framework import (
    ERROR,
    UNRESOLVABLE,
    Cycle,
    Status,
    unresolvable,
)
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.scoring import prioritize

FEWEST_FEASIBLE = 100
LOWEST_PERCENTAGE = 5
NO_NODES = "no nodes available to schedule pods"


class Outcome(NamedTuple):
    """What a cycle found out, before anything was done about it."""

    # Verdicts in the order of the search; None: the node passes.
    verdicts: tuple[tuple[str, Status | None], ...]
    feasible: tuple[NodeInfo, ...]
    total: int
    # Set where PreFilter refused the pod outright.
    pre_filter: Status | None = None
    # The verdict of the nodes that PreFilter left out of account.
    absent: Status | None = None
    refused_by: tuple[str, ...] = ()
    scores: tuple[Scores, ...] = ()
    totals: tuple[int, ...] = ()
    # How many nodes the search has passed; none where the nominated node was taken.
    searched: int = 0

    def statuses(self) -> dict[str, Status]:
        """The verdicts of the nodes that were refused."""
        return {name: status for name, status in self.verdicts if status is not None}

    def message(self, post_filter: str = "") -> str:
        """The message where no node is left."""
        statuses = self.statuses()
        return fit_error(
            self.total,
            statuses.values(),
            self.pre_filter.message if self.pre_filter else "",
            post_filter,
            self.absent,
            self.total - len(statuses),
        )


def choose(outcome: Outcome, draw: Callable[[list[NodeInfo]], NodeInfo]) -> NodeInfo:
    """The best of the feasible nodes; `draw` decides between equals."""
    if not outcome.totals:
        return outcome.feasible[0]
    highest = max(outcome.totals)
    if outcome.totals.count(highest) == 1:
        return outcome.feasible[outcome.totals.index(highest)]
    return draw(
        [
            node
            for node, total in zip(outcome.feasible, outcome.totals, strict=True)
            if total == highest
        ]
    )


def decision_of(
    pod: PodInfo,
    now: int,
    outcome: Outcome | None = None,
    cycle: Cycle | None = None,
    *,
    node: str | None = None,
    message: str = "",
    total: int = 0,
    nominated_node: str | None = None,
    victims: tuple[str, ...] = (),
) -> Decision:
    """The record of a cycle."""
    scored = outcome.feasible if outcome and outcome.scores else ()
    return Decision(
        pod=pod.key,
        ns=now,
        node=node,
        message=message,
        total=outcome.total if outcome else total,
        ran=tuple(plugin.name for plugin in cycle.filters) if cycle else (),
        verdicts=outcome.verdicts if outcome else (),
        feasible=tuple([item.name for item in scored]),
        scores=outcome.scores if outcome else (),
        totals=outcome.totals if outcome else (),
        nominated_node=nominated_node,
        victims=victims,
        refused_by=outcome.refused_by if outcome else (),
        scheduler=pod.scheduler_name,
    )


def enough(total: int, percentage: int) -> int:
    """How many feasible nodes end the search: all of fewer than 100, else a share of them."""
    if total < FEWEST_FEASIBLE:
        return total
    share = percentage or max(LOWEST_PERCENTAGE, 50 - total // 125)
    return max(FEWEST_FEASIBLE, total * share // 100)


def evaluate(cycle: Cycle, start: int, percentage: int, nominated: str = "") -> Outcome:
    """Filters all nodes (from position `start` on) and scores those that are left.

    `nominated` is the node for which others were evicted: if it passes it is taken at once.
    """
    total = len(cycle.nodes)
    names, refusal, narrowed_by = run_pre_filter(cycle)
    if refusal is not None:
        named = (*narrowed_by, refusal.plugin) if refusal.plugin else narrowed_by
        refused_by = tuple(dict.fromkeys(named))
        return Outcome((), (), total, pre_filter=refusal, refused_by=refused_by)
    blocks = compile_filters(cycle)
    node = cycle.handle.cache.get(nominated) if nominated else None
    if node is not None and check(cycle, node, blocks) is None:
        return Outcome(((node.name, None),), (node,), total)
    nodes = cycle.nodes
    absent = None
    if names is not None:
        found = [cycle.handle.cache.get(name) for name in names]
        nodes = [node for node in found if node is not None]
        plugins = " ".join(sorted(narrowed_by))
        absent = unresolvable(f"node(s) didn't satisfy plugin(s) [{plugins}]")
    wanted = enough(len(nodes), percentage) if cycle.profile.at("score") else 1
    verdicts, feasible = search(cycle, nodes, blocks, start, wanted)
    refused_by = narrowed_by + tuple(status.plugin for _, status in verdicts if status is not None)
    outcome = Outcome(
        tuple(verdicts), tuple(feasible), total, absent=absent,
        refused_by=tuple(dict.fromkeys(refused_by)), searched=len(verdicts),
    )  # fmt: skip
    if len(feasible) < 2:
        return outcome
    scores, totals = prioritize(cycle, feasible)
    return outcome._replace(scores=scores, totals=totals)


def run_pre_filter(cycle: Cycle) -> tuple[list[str] | None, Status | None, tuple[str, ...]]:
    """The only nodes that come into question (None: all), a refusal, and who narrowed them down."""
    names: list[str] | None = None
    narrowed_by: list[str] = []
    skipped: dict[str, None] = {}
    refusal: Status | None = None
    for plugin, _ in cycle.profile.at("preFilter"):
        result = ask(plugin, "pre_filter", cycle)
        if result is None:
            continue
        if isinstance(result, Status):
            if result.code == "Skip":
                skipped[plugin.name] = None
                continue
            if result.code == ERROR:
                text = f'running PreFilter plugin "{plugin.name}": {result.message}'
                raise PluginError(text)
            refusal = result._replace(plugin=plugin.name)
            if result.code == UNRESOLVABLE:
                return names, refusal, ()
            continue
        if not isinstance(result, (tuple, list)):
            text = f"pre_filter returned {type(result).__name__}, not a Status or names of nodes"
            raise nonsense(plugin, "pre_filter", text)
        narrowed_by.append(plugin.name)
        names = [name for name in result if names is None or name in names]
        if not names:
            listed = " ".join(sorted(narrowed_by))
            text = f"node(s) didn't satisfy plugin(s) [{listed}] simultaneously"
            if len(narrowed_by) == 1:
                text = f"node(s) didn't satisfy plugin {listed}"
            return names, unresolvable(text), tuple(narrowed_by)
    cycle.filters = [
        plugin for plugin, _ in cycle.profile.at("filter") if plugin.name not in skipped
    ]
    return names, refusal, tuple(narrowed_by)
