"""The learner's own story: what you did, and what the cluster decided because of it, as text.

Every act of the user opens a paragraph; below it stand the first decisions that came after it, in
the components' own sentences, and how many more there were. A quiet stretch of time is said, so
that minutes between two lines are not overlooked.

In Kubernetes: nothing like it; an audit log and `kubectl get events` hold parts of it.
"""

from __future__ import annotations

from typing import Any

from kubelab.sim.kernel import SECOND
from kubelab.views.causes import since
from kubelab.views.cluster import is_decision
from kubelab.views.view import is_act
from kubelab.views.words import plural

# A stretch in which nothing was decided is mentioned from so long on.
QUIET_NS = 20 * SECOND


def story(cluster: Any, *, lines: int = 8, since_event: int = 0) -> str:
    """The story of a cluster so far; at most so many lines of decisions below each act."""
    trace = cluster.trace
    paragraphs: list[list[Any]] = []
    for index in range(since_event, len(trace)):
        event = trace[index]
        if is_act(event):
            paragraphs.append([event])
        elif paragraphs and is_decision(event):
            paragraphs[-1].append(event)
    if not paragraphs:
        return "You have done nothing yet."
    start = trace[0].ns
    return "\n\n".join(
        f"{number}. {_paragraph(cluster, events, start, lines)}"
        for number, events in enumerate(paragraphs, 1)
    )


def _paragraph(cluster: Any, events: list[Any], start: int, lines: int) -> str:
    act, decisions = events[0], events[1:]
    out = [f"{since(act.ns - start)}  {cluster.tell(act)}"]
    before = act.ns
    for event in decisions[:lines]:
        if event.ns - before > QUIET_NS:
            quiet = round((event.ns - before) / SECOND)
            out.append(f"   … {quiet} seconds pass …")
        before = event.ns
        out.append(f"   {since(event.ns - start)}  {cluster.tell(event)}")
    rest = len(decisions) - lines
    if rest > 0:
        out.append(f"   … and {plural(rest, 'more decision')}.")
    return "\n".join(out)
