"""How many pods an autoscaler wants, by the table of the rules."""

from __future__ import annotations

import pytest

from kubelab.controllers.autoscaling import Limits, Usage, limited, wanted


@pytest.mark.parametrize(
    ("count", "used", "want"),
    [(3, 90, 6), (3, 53, 3), (3, 55, 3), (3, 56, 4), (5, 10, 1), (2, 250, 10), (4, 45, 4),
     (4, 44, 4), (10, 25, 5)],
)  # fmt: skip
def test_the_ratio_of_use_to_target_decides(count: int, used: int, want: int) -> None:
    """Target 50 % of a request of 100m: within a tenth nothing happens, else the ratio rules."""
    assert wanted(count, 50, [Usage(100, used, True)] * count) == want


def test_a_step_up_is_at_most_twice_the_size_or_four() -> None:
    """From 2 to 10 wanted: 4 now; the maximum and the minimum hold."""
    assert limited(2, 10, Limits(1, 20))[:2] == (4, "ScaleUpLimit")
    assert limited(4, 10, Limits(1, 5))[:2] == (5, "TooManyReplicas")
    assert limited(4, 1, Limits(2, 5))[:2] == (2, "TooFewReplicas")
    assert limited(4, 3, Limits(1, 5))[:2] == (3, "DesiredWithinRange")


def test_pods_without_a_metric_are_reckoned_against_the_move() -> None:
    """Unknown use counts as the whole request when shrinking, and as nothing when growing."""
    low, high, unknown = Usage(100, 10, True), Usage(100, 90, True), Usage(100, None, True)
    assert wanted(3, 50, [low, low, unknown]) == 3
    assert wanted(3, 50, [high, high, unknown]) == 4
    assert wanted(2, 50, [high, unknown]) == 2
