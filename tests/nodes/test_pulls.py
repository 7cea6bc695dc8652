"""Pulls: one at a time on a node, and what their Events say of the time they took."""

from __future__ import annotations

import re

from tests.nodes.lines import cluster, line, pod, told

TOOK = re.compile(r'Successfully pulled image "(.+)" in (\S+) \((\S+) including waiting\)')


def test_pulls_are_serial() -> None:
    """The second of two pulls waits for the first, and its Event tells both times."""
    c = cluster()
    c.apply([pod("one", {"image": "nginx:1"}), pod("two", {"image": "redis:7"})])
    c.settle()
    times = {}
    for name in ("one", "two"):
        text = next(message for _, reason, message, _ in told(c, name) if reason == "Pulled")
        found = TOOK.match(text)
        assert found is not None
        times[found[1]] = [float(found[n].removesuffix("s")) for n in (2, 3)]
    assert [round(t, 1) for t in times["nginx:1"]] == [2.0, 2.0]
    assert round(times["redis:7"][0], 1) == 2.0
    assert 3.5 < times["redis:7"][1] < 4.1
    ready = [next(when for when, text in line(c, n) if "Ready" in text) for n in ("one", "two")]
    assert 1.5 < ready[1] - ready[0] < 2.1


def test_a_missing_tag() -> None:
    """A tag that the registry does not have is not found, in containerd's words."""
    c = cluster()
    c.apply(pod("web", {"image": "nginx:missing"}))
    c.run(3)
    error = (
        'failed to pull and unpack image "docker.io/library/nginx:missing": failed to resolve '
        "image: docker.io/library/nginx:missing: not found"
    )
    assert told(c, "web")[1:] == [
        ("Normal", "Pulling", 'Pulling image "nginx:missing"', 1),
        ("Warning", "Failed", f'Failed to pull image "nginx:missing": {error}', 1),
        ("Warning", "Failed", "Error: ErrImagePull", 1),
        ("Normal", "BackOff", 'Back-off pulling image "nginx:missing"', 1),
        ("Warning", "Failed", "Error: ImagePullBackOff", 1),
    ]
