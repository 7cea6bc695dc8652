"""Scores: which of the nodes that are left is best for the pod.

Each Score plugin gives every node a number, brings its numbers to 0..100 (NormalizeScore), and they
are added up with the plugins' weights. A plugin that skips at PreScore adds nothing.

In Kubernetes: pkg/scheduler/schedule_one.go (prioritizeNodes) and framework/runtime
(RunPreScorePlugins, RunScorePlugins). Left out: extenders.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from kubelab.scheduler.asking import PluginError, ask, caller, is_ours, nonsense
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.decision import Scores
from kubelab.scheduler.framework import MAX_SCORE, Cycle, Plugin, Status
from kubelab.scheduler.memo import UNKNOWN


def prioritize(cycle: Cycle, nodes: list[NodeInfo]) -> tuple[tuple[Scores, ...], tuple[int, ...]]:
    """The scores of all plugins and the weighted sums."""
    skipped: dict[str, None] = {}
    for plugin, _ in cycle.profile.at("preScore"):
        status = ask(plugin, "pre_score", cycle, nodes)
        if status is not None:
            if not isinstance(status, Status):
                text = f"pre_score returned {type(status).__name__}, not None or a Status"
                raise nonsense(plugin, "pre_score", text)
            if status.code != "Skip":
                raise PluginError(f'running PreScore plugin "{plugin.name}": {status.message}')
            skipped[plugin.name] = None
    columns: list[Scores] = []
    places = itemgetter(*[cycle.handle.cache.positions[node.name] for node in nodes])
    # A plugin that gives all nodes the same only lifts the sums, which is added in the end.
    common = 0
    unequal: list[tuple[int, tuple[int, ...]]] = []
    for plugin, weight in cycle.profile.at("score"):
        if plugin.name in skipped:
            continue
        raw = raw_scores(cycle, plugin, nodes, places)
        final = raw
        if hasattr(plugin, "normalize"):
            final = _normalized(cycle, plugin, nodes, raw)
        lowest, highest = min(final), max(final)
        if lowest < 0 or highest > MAX_SCORE:
            score = lowest if lowest < 0 else highest
            raise PluginError(
                f'applying score defaultWeights on Score plugins: plugin "{plugin.name}" '
                f"returns an invalid score {score}, it should in the "
                f"range of [0, {MAX_SCORE}] after normalizing"
            )
        columns.append(Scores(plugin.name, weight, raw, final))
        if lowest == highest:
            common += weight * lowest
        else:
            unequal.append((weight, final))
    totals = [common] * len(nodes)
    for weight, final in unequal:
        totals = [total + weight * score for total, score in zip(totals, final, strict=True)]
    return tuple(columns), tuple(totals)


def _normalized(
    cycle: Cycle, plugin: Plugin, nodes: list[NodeInfo], raw: tuple[int, ...]
) -> tuple[int, ...]:
    """What a plugin makes of its raw scores."""
    final = ask(plugin, "normalize", cycle, nodes, list(raw))
    if not is_ours(plugin):
        fits = isinstance(final, (list, tuple)) and len(final) == len(nodes)
        if not fits or any(type(score) is not int for score in final):
            text = f"normalize did not return {len(nodes)} ints, one for each node"
            raise nonsense(plugin, "normalize", text)
    return tuple(final)


def raw_scores(cycle: Cycle, plugin: Plugin, nodes: list[NodeInfo], places: Any) -> tuple[int, ...]:
    """What a plugin gives each node, before normalisation; `places` picks them from a column."""
    key = plugin.local_score(cycle)
    if key is None:
        score = caller(plugin, "score")
        scores = tuple([score(cycle, node) for node in nodes])
    else:
        full = (cycle.profile.name, plugin.name, "score", key)
        column = cycle.handle.memo.column(full, cycle.handle.cache)
        scores = places(column.results)
        if UNKNOWN in scores:
            positions = cycle.handle.cache.positions
            for node, score in zip(nodes, scores, strict=True):
                if score is UNKNOWN:
                    column.results[positions[node.name]] = ask(plugin, "score", cycle, node)
            scores = places(column.results)
    if not is_ours(plugin):
        wrong = [kind.__name__ for kind in map(type, scores) if kind is not int]
        if wrong:
            raise PluginError(
                f'running Score plugins: plugin "{plugin.name}" failed with: '
                f"score returned {wrong[0]}, not an int"
            )
    return scores
