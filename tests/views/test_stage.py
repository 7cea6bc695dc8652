"""The widget's side in Python: numbered updates, commands, what happens when something fails."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from kubelab import views
from kubelab.views import stage
from kubelab.views.stage import Live
from tests.views.stand_in import StandIn, story


class Page:
    """A widget without a browser: it keeps what it is sent."""

    def __init__(self) -> None:
        self.whole: dict[str, Any] = {}
        self.sent: list[dict[str, Any]] = []
        self.closed = False

    def on_msg(self, handler: Any) -> None:
        """The handler of commands."""
        self.handler = handler

    def send(self, content: dict[str, Any]) -> None:
        """A message to the page."""
        self.sent.append(content)

    def press(self, command: str, **rest: Any) -> dict[str, Any]:
        """A command from the page; the last answer to it."""
        self.handler(self, {"command": command, **rest}, [])
        return self.sent[-1]

    def close(self) -> None:
        """The widget is taken away."""
        self.closed = True


def shown(cluster: StandIn) -> tuple[Page, Any]:
    """A view on a page."""
    view = views.scheduler(cluster, "web")
    page = Page()
    view.live = Live(view, page)
    return page, view


def test_a_step_sends_only_what_changed() -> None:
    """An update builds on the number before and carries fewer pieces than the picture has."""
    page, _ = shown(story())
    for _ in range(4):
        page.press("step")
    update = page.press("step")["update"]
    assert update["base"] == update["number"] - 1
    assert 0 < len(update["changed"]) < len(update["order"])
    assert len(str(update)) < 50_000


def test_updates_add_up_to_the_whole() -> None:
    """Whoever applies all updates has the picture that a newcomer is given as a whole."""
    page, _ = shown(story())
    pieces = {piece["key"]: piece for piece in page.whole["changed"]}
    for command in ("step",) * 6 + ("back",) * 2 + ("step", "first", "now"):
        update = page.press(command)["update"]
        pieces |= {piece["key"]: piece for piece in update["changed"]}
        pieces = {key: pieces[key] for key in update["order"]}
    whole = page.press("whole")["update"]
    assert whole["base"] == 0
    assert pieces == {piece["key"]: piece for piece in whole["changed"]}


def test_a_failing_command_is_said_in_the_view() -> None:
    """No exception leaves a callback: nobody would see it. The view says what went wrong."""
    page, view = shown(story())
    answer = page.press("dance")
    assert "dance" in answer["update"]["head"]["alert"]
    view.kind = None
    assert "cannot be drawn" in page.press("step")["alert"]


def test_every_control_has_its_command() -> None:
    """Buttons, ladder, scrubber, links and shapes reach the view."""
    page, view = shown(story())
    page.press("settle")
    page.press("climb", by="decision")
    assert view.by == "decision"
    page.press("jump", event=3)
    assert view.cursor.event == 3
    page.press("now")
    page.press("scrub", position=1)
    assert view.cursor.event == view.stops.ids[0]
    head = page.press("select", kind="Node", name="node-1")["update"]["head"]
    assert head["selected"]["title"] == "Node node-1"
    assert page.press("select", kind="")["update"]["head"]["selected"] is None
    page.press("run", seconds=5)


def test_other_views_are_drawn_again_too() -> None:
    """A step in one view is seen in the other views of the cluster."""
    cluster = story()
    page, _ = shown(cluster)
    other, _ = shown(cluster)
    before = len(other.sent)
    page.press("step")
    assert len(other.sent) == before + 1


def test_without_anywidget_the_still_form_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where anywidget is not installed a view is a picture and words, and no error."""
    monkeypatch.setitem(sys.modules, "anywidget", None)
    stage.widget_class.cache_clear()
    monkeypatch.delenv("KUBELAB_STILL", raising=False)
    try:
        assert set(views.etcd(story())._repr_mimebundle_()) == {"text/plain", "text/html"}
    finally:
        stage.widget_class.cache_clear()


def test_the_widget_is_part_of_the_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A live bundle has the widget, an image and words; KUBELAB_STILL leaves the widget out."""
    pytest.importorskip("anywidget")
    monkeypatch.delenv("KUBELAB_STILL", raising=False)
    view = views.etcd(story())
    kinds = set(view._repr_mimebundle_())
    assert kinds == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    view.live.close()
    monkeypatch.setenv("KUBELAB_STILL", "1")
    assert set(views.etcd(story())._repr_mimebundle_()) == {"text/plain", "text/html"}


@pytest.mark.native
def test_importing_views_is_light() -> None:
    """Neither anywidget nor numpy nor IPython comes with `import kubelab.views`."""
    import subprocess

    code = (
        "import sys, kubelab.views; "
        "print([m for m in ('anywidget', 'numpy', 'matplotlib', 'networkx', 'IPython') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
