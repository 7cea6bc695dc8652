"""The still form: everything a view shows, without a kernel."""

from __future__ import annotations

import re
from base64 import b64decode

from kubelab import views
from kubelab.views import still
from tests.views.stand_in import story


def test_the_picture_is_an_image_with_alt_text() -> None:
    """Untrusted notebooks show images but no inline SVG: the drawing is a data address."""
    cluster = story()
    cluster.settle()
    html = still.html(views.cluster(cluster).state())
    data = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    assert data is not None
    assert b64decode(data[1]).startswith(b"<svg")
    assert 'alt="3 of 3 nodes ready' in html
    assert "<svg" not in html and "<script" not in html and "<style" not in html


def test_the_words_hold_the_facts_of_the_picture() -> None:
    """Plain text has the title, the alt text, the sentence and the tables."""
    cluster = story()
    cluster.settle()
    text = still.plain(views.scheduler(cluster, "web").state())
    assert "scheduler · default/web" in text
    assert re.search(r"NodeResourcesFit +Insufficient cpu \(asks 3, free 2 of 4\)", text)


def test_the_still_is_the_same_in_every_run() -> None:
    """Two clusters with the same past give the same bytes: no address, no clock, no chance."""
    states = []
    for _ in range(2):
        cluster = story()
        cluster.settle()
        states.append(views.etcd(cluster).state())
    assert still.html(states[0]) == still.html(states[1])
    assert still.plain(states[0]) == still.plain(states[1])
    assert "0x" not in still.plain(states[0])
