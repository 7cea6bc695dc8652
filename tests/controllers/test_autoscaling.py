"""How many pods an autoscaler wants, by the table of the rules."""

from __future__ import annotations

import pytest

from kubelab.controllers.autoscaling import Target, Tolerance, Usage, wanted
from kubelab.controllers.scalingrules import (
    Limits,
    Steps,
    limited,
    remembered,
    resized,
    steadied,
)
from kubelab.sim.kernel import SECOND
from kubelab.sim.tree import freeze

HALF = Target(50, True)


@pytest.mark.parametrize(
    ("count", "used", "want"),
    [(3, 90, 6), (3, 53, 3), (3, 55, 3), (3, 56, 4), (5, 10, 1), (2, 250, 10), (4, 45, 4),
     (4, 44, 4), (10, 25, 5)],
)  # fmt: skip
def test_the_ratio_of_use_to_target_decides(count: int, used: int, want: int) -> None:
    """Target 50 % of a request of 100m: within a tenth nothing happens, else the ratio rules."""
    assert wanted(count, HALF, [Usage(100, used, True)] * count) == want


def test_an_amount_a_pod_is_a_target_too() -> None:
    """Three pods of 900 thousandths where 500 are aimed at want six; requests do not matter."""
    assert wanted(3, Target(500, False), [Usage(0, 900, True)] * 3) == 6


def test_a_tolerance_of_its_own_counts_for_each_direction() -> None:
    """A fifth off is near enough upwards, a hundredth downwards is not."""
    eleven = [Usage(100, 60, True)] * 10
    assert wanted(10, HALF, eleven, Tolerance(0.1, 0.2)) == 10
    assert wanted(10, HALF, eleven, Tolerance(0.1, 0.1)) == 12
    assert wanted(100, HALF, [Usage(100, 49, True)] * 100, Tolerance(0.01, 0.1)) == 98


def test_a_step_up_is_at_most_twice_the_size_or_four() -> None:
    """From 2 to 10 wanted: 4 now; the maximum and the minimum hold."""
    assert limited(2, 10, Limits(1, 20)) == (4, "ScaleUpLimit")
    assert limited(4, 10, Limits(1, 5)) == (5, "TooManyReplicas")
    assert limited(4, 1, Limits(2, 5)) == (2, "TooFewReplicas")
    assert limited(4, 3, Limits(1, 5)) == (3, "DesiredWithinRange")


def test_pods_without_a_metric_are_reckoned_against_the_move() -> None:
    """Unknown use counts as the whole request when shrinking, and as nothing when growing."""
    low, high, unknown = Usage(100, 10, True), Usage(100, 90, True), Usage(100, None, True)
    assert wanted(3, HALF, [low, low, unknown]) == 3
    assert wanted(3, HALF, [high, high, unknown]) == 4
    assert wanted(2, HALF, [high, unknown]) == 2


def test_pods_set_aside_count_only_when_growing() -> None:
    """One pod at 90 %, one not ready: growing is reckoned as if it used nothing."""
    high, waiting = Usage(100, 90, True), Usage(100, 70, False)
    assert wanted(2, HALF, [high, waiting]) == 2
    assert wanted(2, HALF, [Usage(100, 10, True), waiting]) == 1


def test_a_lull_takes_no_pods_away_within_five_minutes() -> None:
    """The highest recommendation of the last 300 s counts, and the first one is the size."""
    steps, now = Steps(((0, 5),)), 0
    for now in range(15, 300, 15):
        assert steadied(steps, now * SECOND, 5, 1, None) == (5, "ScaleDownStabilized")
        steps = remembered(steps, now * SECOND, 1, None)
    assert steadied(steps, 301 * SECOND, 5, 1, None) == (1, "ReadyForNewScale")


def test_policies_limit_what_is_added_and_taken_away_in_a_period() -> None:
    """Two pods a minute up, a tenth a minute down; what was done within the minute counts."""
    behavior = freeze({
        "scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]},
        "scaleDown": {"policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}]},
    })  # fmt: skip
    bounds = Limits(1, 100)
    assert limited(3, 9, bounds, behavior) == (5, "ScaleUpLimit")
    steps = resized(Steps(), 0, 3, 5, behavior)
    assert limited(5, 9, bounds, behavior, steps, 30 * SECOND) == (5, "ScaleUpLimit")
    assert limited(5, 9, bounds, behavior, steps, 61 * SECOND) == (7, "ScaleUpLimit")
    assert limited(20, 3, bounds, behavior) == (18, "ScaleDownLimit")


def test_a_direction_can_be_shut() -> None:
    """`selectPolicy: Disabled`: no pod is taken away, however many are too many."""
    behavior = freeze({"scaleDown": {"selectPolicy": "Disabled"}})
    assert limited(8, 1, Limits(1, 10), behavior) == (8, "ScaleDownLimit")


def test_growing_waits_out_a_window_of_its_own() -> None:
    """With a window of a minute for growing the lowest recommendation of that minute counts."""
    behavior = freeze({"scaleUp": {"stabilizationWindowSeconds": 60}})
    steps = Steps(((0, 2), (15 * SECOND, 3)))
    assert steadied(steps, 30 * SECOND, 2, 9, behavior) == (2, "ScaleUpStabilized")
    assert steadied(steps, 70 * SECOND, 2, 9, behavior) == (3, "ScaleUpStabilized")
    assert steadied(steps, 80 * SECOND, 2, 9, behavior) == (9, "ReadyForNewScale")
