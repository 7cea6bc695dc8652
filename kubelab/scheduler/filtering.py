"""Which nodes can take the pod: the search over the nodes, and the verdict on each.

The search begins where the last one ended, and stops when enough nodes have passed. On a node the
filters are asked in order, and the first that refuses ends it. Neighbours in that order whose
verdicts follow from the node alone are a *block*, and what a block said of a node is remembered
until the node changes. Where more important pods are nominated to a node, it must take ours both
with them and without.

In Kubernetes: pkg/scheduler/schedule_one.go (findNodesThatPassFilters) and framework/runtime
(RunFilterPluginsWithNominatedPods).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from kubelab.scheduler.asking import PluginError, caller
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import ERROR, Cycle, Plugin, Status
from kubelab.scheduler.memo import UNKNOWN, Column

# What is found of each node that was looked at (None: it passes), and the nodes that pass.
Found = tuple[list[tuple[str, Status | None]], list[NodeInfo]]


class Block(NamedTuple):
    """Filter plugins that are asked one after the other, with a column of remembered verdicts."""

    plugins: tuple[Plugin, ...]
    calls: tuple[Callable[..., Any], ...]
    column: Column | None


def block_of(plugins: tuple[Plugin, ...], column: Column | None) -> Block:
    """A block of these plugins."""
    return Block(plugins, tuple([caller(plugin, "filter") for plugin in plugins]), column)


def compile_filters(cycle: Cycle) -> list[Block]:
    """The filters in order, neighbours whose verdicts may be remembered taken together."""
    blocks: list[Block] = []
    local: list[tuple[Plugin, Any]] = []

    def close() -> None:
        if local:
            key = (cycle.profile.name, *((plugin.name, part) for plugin, part in local))
            column = cycle.handle.memo.column(key, cycle.handle.cache)
            blocks.append(block_of(tuple([plugin for plugin, _ in local]), column))
            local.clear()

    for plugin in cycle.filters:
        key = plugin.local_filter(cycle)
        if key is None:
            close()
            blocks.append(block_of((plugin,), None))
        else:
            local.append((plugin, key))
    close()
    return blocks


def search(
    cycle: Cycle, nodes: list[NodeInfo], blocks: list[Block], start: int, wanted: int
) -> Found:
    """Asks the filters about one node after the other until enough have passed."""
    total = len(nodes)
    begin = start % total if total else 0
    if nodes is cycle.nodes:
        if len(blocks) == 1 and blocks[0].column is not None:
            return quick_search(cycle, blocks[0], begin, wanted)
        return scan(cycle, blocks, begin, wanted)
    verdicts: list[tuple[str, Status | None]] = []
    feasible: list[NodeInfo] = []
    for node in nodes[begin:] + nodes[:begin]:
        status = check(cycle, node, blocks)
        verdicts.append((node.name, status))
        if status is None:
            feasible.append(node)
            if len(feasible) >= wanted:
                break
    return verdicts, feasible


def scan(cycle: Cycle, blocks: list[Block], begin: int, wanted: int) -> Found:
    """The same search over all nodes of the cache, whose places in the columns are known then."""
    nodes = cycle.nodes
    crowded = dict.fromkeys(crowded_places(cycle))
    steps = [(block, block.column.results if block.column else None) for block in blocks]
    verdicts: list[tuple[str, Status | None]] = []
    feasible: list[NodeInfo] = []
    for place in (*range(begin, len(nodes)), *range(begin)):
        node = nodes[place]
        status: Any = None
        if place in crowded:
            status = check(cycle, node, blocks)
        else:
            for block, results in steps:
                if results is None:
                    status = block.calls[0](cycle, node)
                    if status is not None:
                        status = _named(status, block.plugins[0])
                elif (status := results[place]) is UNKNOWN:
                    status = results[place] = first_refusal(node, cycle, block)
                if status is not None:
                    break
        verdicts.append((node.name, status))
        if status is None:
            feasible.append(node)
            if len(feasible) >= wanted:
                break
    return verdicts, feasible


def quick_search(cycle: Cycle, block: Block, begin: int, wanted: int) -> Found:
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
            column.fill(nodes, low, high, first_refusal, cycle, block)
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
    for block in blocks:
        column = block.column
        if column is None:
            status = block.calls[0](cycle, node)
            if status is not None:
                return _named(status, block.plugins[0])
            continue
        place = cache.positions.get(node.name)
        if place is None or cycle.nodes[place] is not node:
            refusal = first_refusal(node, cycle, block)
        else:
            refusal = column.results[place]
            if refusal is UNKNOWN:
                refusal = column.results[place] = first_refusal(node, cycle, block)
        if refusal is not None:
            return refusal
    return None


def first_refusal(node: NodeInfo, cycle: Cycle, block: Block) -> Status | None:
    """Asks filters one after the other."""
    for place, call in enumerate(block.calls):
        status = call(cycle, node)
        if status is not None:
            return _named(status, block.plugins[place])
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
