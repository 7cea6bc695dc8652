"""What is tried on the exercises of notebook 11."""

from __future__ import annotations

from typing import Any

from kubelab.learn import worlds
from kubelab.learn.units.tasks11 import probe
from tests.learn.case import Case, always


def app(**probes: Any) -> dict[str, Any]:
    """A pod with such probes."""
    return worlds.pod("app", **probes)


def web(**container: Any) -> dict[str, Any]:
    """A Deployment with such a container."""
    return worlds.deployment("web", 3, **container)


QUICK = probe(periodSeconds=5, failureThreshold=3)
START = probe(periodSeconds=5, failureThreshold=12)
SOON = probe("/ready", periodSeconds=2)
HOOK = {"preStop": {"exec": {"command": ["sleep", "5"]}}}


CASES = {
    "11.1": Case(always(app()),
                 {"a startup probe": always(app(startupProbe=START, livenessProbe=QUICK)),
                  "a first delay": always(app(livenessProbe=probe(
                      initialDelaySeconds=40, periodSeconds=4, failureThreshold=3)))},
                 {"no wait": always(app(livenessProbe=QUICK)),
                  "too patient": always(app(livenessProbe=probe(failureThreshold=9))),
                  "readiness": always(app(readinessProbe=QUICK)),
                  "startup only": always(app(startupProbe=START))}),
    "11.2": Case(always(web()),
                 {"an end with delay": always(web(readinessProbe=SOON, env={"TERM_DELAY": 10})),
                  "a hook": always(web(readinessProbe=SOON, lifecycle=HOOK))},
                 {"no readiness": always(web(env={"TERM_DELAY": 10})),
                  "liveness": always(web(livenessProbe=probe(failureThreshold=6)))}),
}  # fmt: skip
