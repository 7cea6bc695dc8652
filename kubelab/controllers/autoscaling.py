"""How many pods an autoscaler wants: the ratio of what is used to what is aimed at.

In Kubernetes: pkg/controller/podautoscaler/replica_calculator.go and horizontal.go. Left out:
custom, object and external metrics, the policies of `behavior`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

TOLERANCE = Fraction(1, 10)


class Usage(NamedTuple):
    """One pod as the autoscaler sees it: `used` is None where there is no metric."""

    requested: int
    used: int | None
    ready: bool


def ceiling(number: Fraction) -> int:
    """Rounded up to a whole one."""
    return -int(-number // 1)


def utilization(pods: Sequence[Usage]) -> int:
    """Used per cent of what is requested, rounded down."""
    requested = sum(pod.requested for pod in pods)
    return 100 * sum(pod.used or 0 for pod in pods) // requested if requested else 0


def within(ratio: Fraction) -> bool:
    """Whether a ratio is too near to 1 to act upon."""
    return 1 - TOLERANCE <= ratio <= 1 + TOLERANCE


def wanted(current: int, target: int, pods: Sequence[Usage]) -> int:
    """The number of pods at which the use would be `target` per cent of the request.

    Pods without a metric are taken to use all they request when pods would be taken away, and
    nothing when pods would be added; pods that are not ready use nothing then. If the direction
    turns with these assumptions, nothing is done.
    """
    known = [pod for pod in pods if pod.used is not None and pod.ready]
    if not known:
        return current
    ratio = Fraction(utilization(known), target)
    missing = [pod for pod in pods if pod.used is None]
    waiting = [pod for pod in pods if pod.used is not None and not pod.ready]
    if not missing and not (waiting and ratio > 1):
        return current if within(ratio) else ceiling(ratio * len(known))
    if ratio < 1:
        share = max(100, target)
        assumed = [pod._replace(used=pod.requested * share // 100) for pod in missing]
    else:
        assumed = [pod._replace(used=0) for pod in (*missing, *waiting)]
    every = [*known, *assumed]
    again = Fraction(utilization(every), target)
    if within(again) or (ratio < 1 < again) or (again < 1 < ratio):
        return current
    count = ceiling(again * len(every))
    if (again < 1 and count > current) or (again > 1 and count < current):
        return current
    return count


class Limits(NamedTuple):
    """What bounds a recommendation."""

    least: int
    most: int


def limited(current: int, desired: int, limits: Limits) -> tuple[int, str, str]:
    """The number within all limits, with the reason and message of the condition ScalingLimited."""
    step = max(2 * current, 4)
    if desired > min(step, limits.most):
        if step < limits.most:
            return (
                step,
                "ScaleUpLimit",
                ("the desired replica count is increasing faster than the maximum scale rate"),
            )
        return (
            limits.most,
            "TooManyReplicas",
            ("the desired replica count is more than the maximum replica count"),
        )
    if desired < limits.least:
        return (
            limits.least,
            "TooFewReplicas",
            ("the desired replica count is less than the minimum replica count"),
        )
    return desired, "DesiredWithinRange", "the desired count is within the acceptable range"
