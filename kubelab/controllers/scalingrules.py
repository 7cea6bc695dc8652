"""What holds an autoscaler back: windows, steps, and the smallest and largest size.

A recommendation is first steadied: for shrinking the highest one of a window counts, for growing
the lowest one. Then the step is limited, and last the bounds hold. Without `behavior` the window is
five minutes (growing: none), a step up is at most twice the size or four, a step down is free. With
it each direction has rules: policies (`at most 4 pods in 15 s`), of which the most or the least
generous one counts.

In Kubernetes: pkg/controller/podautoscaler/horizontal.go (normalizeDesiredReplicas and its
WithBehaviors twin).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kubelab.api.objects import EMPTY, Obj, freeze, get
from kubelab.sim.kernel import SECOND

WINDOW_SECONDS = 300
# What the API server fills in where only the other direction has rules.
UP = freeze({
    "stabilizationWindowSeconds": 0, "selectPolicy": "Max",
    "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15},
                 {"type": "Percent", "value": 100, "periodSeconds": 15}],
})  # fmt: skip
DOWN = freeze({
    "stabilizationWindowSeconds": WINDOW_SECONDS, "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
})  # fmt: skip
NEWS = {
    "ScaleUpStabilized": "recent recommendations were lower than current one, applying the lowest "
    "recent recommendation",
    "ScaleDownStabilized": "recent recommendations were higher than current one, applying the "
    "highest recent recommendation",
    "ReadyForNewScale": "recommended size matches current size",
    "ScaleUpLimit": "the desired replica count is increasing faster than the maximum scale rate",
    "ScaleDownLimit": "the desired replica count is decreasing faster than the maximum scale rate",
    "TooManyReplicas": "the desired replica count is more than the maximum replica count",
    "TooFewReplicas": "the desired replica count is less than the minimum replica count",
    "DesiredWithinRange": "the desired count is within the acceptable range",
}


class Limits(NamedTuple):
    """The smallest and the largest size."""

    least: int
    most: int


class Steps(NamedTuple):
    """What was recommended (when, how many), and by how much the size was changed since."""

    recommended: tuple[tuple[int, int], ...] = ()
    up: tuple[tuple[int, int], ...] = ()
    down: tuple[tuple[int, int], ...] = ()


def rules(behavior: Obj | None, direction: str) -> Obj:
    """The rules of a direction (`scaleUp`, `scaleDown`), each field filled in."""
    held = {k: v for k, v in get(behavior or EMPTY, direction, default=EMPTY).items() if v}
    if get(behavior or EMPTY, direction, "stabilizationWindowSeconds") == 0:
        held["stabilizationWindowSeconds"] = 0
    return Obj({**(UP if direction == "scaleUp" else DOWN), **held})


def steadied(
    steps: Steps, now: int, current: int, wish: int, behavior: Obj | None
) -> tuple[int, str]:
    """The recommendation that counts, with the reason of the condition AbleToScale."""
    up_seconds = rules(behavior, "scaleUp")["stabilizationWindowSeconds"] if behavior else 0
    down_seconds = rules(behavior, "scaleDown")["stabilizationWindowSeconds"]
    if behavior and wish >= current:
        since = now - up_seconds * SECOND
        best = min(wish, *_since(steps.recommended, since + 1), wish)
        return best, "ScaleUpStabilized" if best != wish else "ReadyForNewScale"
    since = now - down_seconds * SECOND + (1 if behavior else 0)
    best = max(wish, *_since(steps.recommended, since), wish)
    return best, "ScaleDownStabilized" if best != wish else "ReadyForNewScale"


def _since(rows: Iterable[tuple[int, int]], since: int) -> list[int]:
    return [count for moment, count in rows if moment >= since]


def remembered(steps: Steps, now: int, wish: int, behavior: Obj | None) -> Steps:
    """The steps with a new recommendation; those that no window reaches are forgotten."""
    longest = max(
        rules(behavior, "scaleUp")["stabilizationWindowSeconds"] if behavior else 0,
        rules(behavior, "scaleDown")["stabilizationWindowSeconds"],
    )
    kept = tuple(row for row in steps.recommended if row[0] >= now - longest * SECOND)
    return steps._replace(recommended=(*kept, (now, wish)))


def resized(steps: Steps, now: int, before: int, after: int, behavior: Obj | None) -> Steps:
    """The steps with a change of size, where rules look back at such changes."""
    if not behavior:
        return steps
    field = "up" if after > before else "down"
    policies = rules(behavior, "scaleUp" if after > before else "scaleDown")["policies"]
    longest = max((policy["periodSeconds"] for policy in policies), default=0)
    held: tuple[tuple[int, int], ...] = getattr(steps, field)
    kept = tuple(row for row in held if row[0] >= now - longest * SECOND)
    return steps._replace(**{field: (*kept, (now, abs(after - before)))})


def limited(
    current: int,
    desired: int,
    limits: Limits,
    behavior: Obj | None = None,
    steps: Steps = Steps(),
    now: int = 0,
) -> tuple[int, str]:
    """The number within all limits, with the reason of the condition ScalingLimited."""
    if behavior and desired < current:
        floor = _down_limit(current, steps.down, rules(behavior, "scaleDown"), now)
        if limits.least < floor:
            return (floor, "ScaleDownLimit") if desired < floor else (desired, WITHIN)
    if desired < limits.least:
        return limits.least, "TooFewReplicas"
    if behavior:
        if desired <= current:
            return desired, WITHIN
        ceiling = _up_limit(current, steps.up, rules(behavior, "scaleUp"), now)
    else:
        ceiling = max(2 * current, 4)
    if limits.most > ceiling:
        return (ceiling, "ScaleUpLimit") if desired > ceiling else (desired, WITHIN)
    return (limits.most, "TooManyReplicas") if desired > limits.most else (desired, WITHIN)


WITHIN = "DesiredWithinRange"


def _changed(changes: Sequence[tuple[int, int]], policy: Obj, now: int) -> int:
    """By how much the size was changed within the period of a policy."""
    return sum(_since(changes, now - policy["periodSeconds"] * SECOND + 1))


def _up_limit(current: int, changes: Sequence[tuple[int, int]], held: Obj, now: int) -> int:
    if held["selectPolicy"] == "Disabled":
        return current
    offers: list[int] = []
    for policy in held["policies"]:
        start = current - _changed(changes, policy, now)
        if policy["type"] == "Pods":
            offers.append(start + policy["value"])
        else:
            offers.append(math.ceil(start * (1 + policy["value"] / 100)))
    chosen = min(offers) if held["selectPolicy"] == "Min" else max(offers)
    return max(current, chosen)


def _down_limit(current: int, changes: Sequence[tuple[int, int]], held: Obj, now: int) -> int:
    if held["selectPolicy"] == "Disabled":
        return current
    offers: list[int] = []
    for policy in held["policies"]:
        start = current + _changed(changes, policy, now)
        if policy["type"] == "Pods":
            offers.append(start - policy["value"])
        else:
            offers.append(int(start * (1 - policy["value"] / 100)))
    chosen = max(offers) if held["selectPolicy"] == "Min" else min(offers)
    return min(current, chosen)


def news(type_: str, reason: str, status: str = "True") -> tuple[Any, ...]:
    """A condition with the words of its reason."""
    return type_, status, reason, NEWS[reason]
