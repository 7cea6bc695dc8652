"""What a learner waits for: a press of a button, to the message that carries the changed picture.

Twenty times Back and twenty times Step in a view of a cluster at rest, as the page asks for them.
The marks are the goals for a click at 3, 50 and 1,000 nodes, times the number of clicks. The other
benchmark counts the bytes of the largest of these messages.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from kubelab import views
from kubelab.views.stage import Live
from tests.bench.bench_cluster import booted, deployment
from tests.bench.harness import Result, sizes, stopwatch

CLICKS = 20
PODS = {3: 6, 50: 100, 1000: 1000}
HOUR_SECONDS = 3600


class Page:
    """A widget without a browser: it keeps what it is sent."""

    def __init__(self) -> None:
        self.whole: dict[str, Any] = {}
        self.sent: list[str] = []
        self.drawn = hashlib.sha256()

    def on_msg(self, handler: Any) -> None:
        """The handler of commands."""
        self.handler = handler

    def send(self, content: dict[str, Any]) -> None:
        """A message to the page, as the text that it travels as."""
        self.sent.append(json.dumps(content))
        self.drawn.update(json.dumps(content["update"]["changed"]).encode())


def clicked(kind: str, nodes: int) -> tuple[Page, float]:
    """The page that got the messages of the clicks, and the CPU seconds of all of them."""
    cluster = booted(nodes)
    cluster.apply(deployment(PODS.get(nodes, nodes)))
    cluster.settle(timeout=HOUR_SECONDS)
    view = getattr(views, kind)(cluster)
    page = Page()
    view.live = Live(view, page)
    with stopwatch() as watch:
        for command in ("back",) * CLICKS + ("step",) * CLICKS:
            page.handler(page, {"command": command}, [])
    return page, watch.seconds


@sizes("nodes", small=3, usual=(3, 50), full=(1000,), marks={3: 4.0, 50: 6.0, 1000: 12.0})
def bench_clicks(nodes: int) -> Result:
    """Forty clicks in the dashboard, by number of nodes."""
    page, seconds = clicked("dashboard", nodes)
    return Result(len(page.sent), "clicks", seconds, page.drawn.hexdigest()[:12])


@sizes("nodes", small=3, usual=(3, 50), full=(1000,), marks={})
def bench_click_bytes(nodes: int) -> Result:
    """The bytes of the largest message of forty clicks in the cluster view."""
    page, seconds = clicked("cluster", nodes)
    most = max(len(text) for text in page.sent)
    return Result(most, "bytes", seconds, page.drawn.hexdigest()[:12])
