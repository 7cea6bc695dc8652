"""Restarts by policy, by a container's own policy, and by rules on exit codes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.nodes.lines import cluster, line, pod, state, status, told

CRASH = "kubelab/crash:1"


def crash(code: int, **container: Any) -> dict[str, Any]:
    """A container that exits with a code at once."""
    return {"image": CRASH, "env": [{"name": "EXIT_CODE", "value": str(code)}], **container}


def test_the_line_of_a_crash_loop() -> None:
    """Restarts come at once, then 10, 20, 40, 80, 160 and 300 s after each exit."""
    c = cluster()
    c.apply(pod("web", crash(1)))
    c.run(1000)
    exits = [when for when, text in line(c, "web") if "terminated" in text]
    waits = [round(later - before) for before, later in pairwise(exits)]
    assert waits == [1, 10, 20, 40, 80, 160, 300, 300]
    uid = c.get("Pod", "web")["metadata"]["uid"]
    waiting = state(c, "web")["state"]["waiting"]
    assert waiting == {
        "reason": "CrashLoopBackOff",
        "message": f"back-off 5m0s restarting failed container=c pod=web_default({uid})",
    }
    assert status(c, "web")["phase"] == "Running"
    message = f"Back-off restarting failed container c in pod web_default({uid})"
    assert [(t, m) for t, r, m, _ in told(c, "web") if r == "BackOff"] == [("Warning", message)]


@pytest.mark.parametrize(
    ("policy", "code", "phase", "restarts"),
    [
        ("Always", 0, "Running", True), ("Always", 1, "Running", True),
        ("OnFailure", 0, "Succeeded", False), ("OnFailure", 1, "Running", True),
        ("Never", 0, "Succeeded", False), ("Never", 1, "Failed", False),
    ],
)  # fmt: skip
def test_policies(policy: str, code: int, phase: str, restarts: bool) -> None:
    """Always restarts on any exit, OnFailure on a failure, Never on none."""
    c = cluster()
    c.apply(pod("web", crash(code), restartPolicy=policy))
    c.run(10)
    assert status(c, "web")["phase"] == phase
    assert (state(c, "web")["restartCount"] > 0) is restarts


def test_rules_on_exit_codes() -> None:
    """A container's rule restarts it although its policy would not; other codes end it."""
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    own = {"restartPolicy": "Never", "restartPolicyRules": rules}
    c = cluster()
    c.apply(pod("again", crash(42, **own), restartPolicy="Never"))
    c.apply(pod("over", crash(7, **own), restartPolicy="Never"))
    c.run(10)
    assert state(c, "again")["restartCount"] >= 1
    assert (state(c, "over")["restartCount"], status(c, "over")["phase"]) == (0, "Failed")


def test_the_back_off_is_forgotten_after_a_long_run() -> None:
    """A container that ran for more than 10 minutes is restarted at once, and waits 10 s again."""
    c = cluster()
    c.apply(pod("web", crash(1, env=[{"name": "CRASH_AFTER", "value": "700"}])))
    c.run(2900)
    assert [text for _, text in line(c, "web") if "CrashLoop" in text] == []
    assert state(c, "web")["restartCount"] == 4
