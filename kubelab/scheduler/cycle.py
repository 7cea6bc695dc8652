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
from typing import Any, NamedTuple

from kubelab.scheduler.asking import PluginError, ask, nonsense
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.decision import Decision, Scores, fit_error
from kubelab.scheduler.framework import (
    ERROR,
    UNRESOLVABLE,
    Cycle,
    Plugin,
    Status,
    unresolvable,
)
from kubelab.scheduler.memo import UNKNOWN, Column
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.scoring import prioritize

FEWEST_FEASIBLE = 100
LOWEST_PERCENTAGE = 5
NO_NODES = "no nodes available to schedule pods"


class Block(NamedTuple):
    """Filter plugins that are asked one after the other, with a column of remembered verdicts."""

    plugins: tuple[Plugin, ...]
    column: Column | None


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


def compile_filters(cycle: Cycle) -> list[Block]:
    """The filters in order, neighbours whose verdicts may be remembered taken together."""
    blocks: list[Block] = []
    local: list[tuple[Plugin, Any]] = []

    def close() -> None:
        if local:
            key = (cycle.profile.name, *((plugin.name, part) for plugin, part in local))
            column = cycle.handle.memo.column(key, cycle.handle.cache)
            blocks.append(Block(tuple(plugin for plugin, _ in local), column))
            local.clear()

    for plugin in cycle.filters:
        key = plugin.local_filter(cycle)
        if key is None:
            close()
            blocks.append(Block((plugin,), None))
        else:
            local.append((plugin, key))
    close()
    return blocks


def search(
    cycle: Cycle, nodes: list[NodeInfo], blocks: list[Block], start: int, wanted: int
) -> tuple[list[tuple[str, Status | None]], list[NodeInfo]]:
    """Asks the filters about one node after the other until enough have passed."""
    verdicts: list[tuple[str, Status | None]] = []
    feasible: list[NodeInfo] = []
    total = len(nodes)
    begin = start % total if total else 0
    if len(blocks) == 1 and blocks[0].column is not None and nodes is cycle.nodes:
        return quick_search(cycle, blocks[0], begin, wanted)
    for node in nodes[begin:] + nodes[:begin]:
        status = check(cycle, node, blocks)
        verdicts.append((node.name, status))
        if status is None:
            feasible.append(node)
            if len(feasible) >= wanted:
                break
    return verdicts, feasible


def quick_search(
    cycle: Cycle, block: Block, begin: int, wanted: int
) -> tuple[list[tuple[str, Status | None]], list[NodeInfo]]:
    """The same search where the verdicts of all filters together are remembered.

    It goes in stretches, each as long as the number of nodes still wanted: so it never looks at a
    node that the search one by one would not have reached. Nodes with nominated pods that go
    before ours are few, and are worked out each time.
    """
    nodes, names, column = cycle.nodes, cycle.handle.cache.order or [], block.column
    crowded = crowded_places(cycle)
    assert column is not None
    verdicts: list[tuple[str, Status | None]] = []
    feasible: list[NodeInfo] = []
    for low, end in ((begin, len(nodes)), (0, begin)):
        while low < end and len(feasible) < wanted:
            high = min(end, low + wanted - len(feasible))
            column.fill(nodes, low, high, first_refusal, cycle, block.plugins)
            found = column.results[low:high]
            for place in crowded:
                if low <= place < high:
                    found[place - low] = check(cycle, nodes[place], [block])
            verdicts += zip(names[low:high], found, strict=True)
            if found.count(None) == high - low:
                feasible += nodes[low:high]
            else:
                feasible += [
                    node
                    for node, status in zip(nodes[low:high], found, strict=True)
                    if status is None
                ]
            low = high
    return verdicts, feasible


def crowded_places(cycle: Cycle) -> list[int]:
    """Where in the list the nodes are that pods are nominated to which go before ours."""
    nominator, positions = cycle.handle.nominator, cycle.handle.cache.positions
    return [
        positions[name]
        for name in nominator.by_node
        if name in positions and nominator.rivals(cycle.pod, name)
    ]


def check(cycle: Cycle, node: NodeInfo, blocks: list[Block]) -> Status | None:
    """The verdict on a node: with the pods nominated to it that go before ours, and without."""
    nominator = cycle.handle.nominator
    if nominator.by_node:
        rivals = nominator.rivals(cycle.pod, node.name)
        if rivals:
            crowded, full = cycle.fork(), node
            for rival in rivals:
                full = move(crowded, full, rival._replace(node=node.name), 1)
            status = verdict(crowded, full, blocks)
            if status is not None:
                return status
    return verdict(cycle, node, blocks)


def verdict(cycle: Cycle, node: NodeInfo, blocks: list[Block]) -> Status | None:
    """The first filter's refusal, or None.

    Only a node as the cache has it is looked up; a "what if" is worked out.
    """
    cache = cycle.handle.cache
    for plugins, column in blocks:
        if column is None:
            status = ask(plugins[0], "filter", cycle, node)
            if status is not None:
                return _named(status, plugins[0])
            continue
        place = cache.positions.get(node.name)
        if place is None or cycle.nodes[place] is not node:
            refusal = first_refusal(node, cycle, plugins)
        else:
            refusal = column.results[place]
            if refusal is UNKNOWN:
                refusal = column.results[place] = first_refusal(node, cycle, plugins)
        if refusal is not None:
            return refusal
    return None


def first_refusal(node: NodeInfo, cycle: Cycle, plugins: tuple[Plugin, ...]) -> Status | None:
    """Asks filters one after the other."""
    for plugin in plugins:
        status = ask(plugin, "filter", cycle, node)
        if status is not None:
            return _named(status, plugin)
    return None


def _named(status: Any, plugin: Plugin) -> Status:
    if not isinstance(status, Status):
        raise PluginError(
            f'running "{plugin.name}" filter plugin: filter returned '
            f"{type(status).__name__}, not None or a Status"
        )
    if status.code == ERROR:
        raise PluginError(f'running "{plugin.name}" filter plugin: {status.message}')
    return status._replace(plugin=plugin.name)


def move(cycle: Cycle, node: NodeInfo, pod: Any, sign: int) -> NodeInfo:
    """The node with (+1) or without (−1) a pod; the cycle's states follow."""
    for plugin in cycle.filters:
        state = cycle.state.get(plugin.name)
        if state is not None:
            cycle.state[plugin.name] = plugin.with_pod(cycle, state, pod, node, sign)
    return node.plus(pod) if sign > 0 else node.minus(pod)
