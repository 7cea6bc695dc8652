"""Image names, the registry, and how long pulls take."""

from __future__ import annotations

import pytest

from kubelab.runtime import images
from kubelab.sim.kernel import SECOND
from tests.runtime.machine import Machine


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("kubelab/http:1", "docker.io/kubelab/http:1"),
        ("ghcr.io/x/redis", "ghcr.io/x/redis:latest"),
        ("localhost:5000/a/b:t", "localhost:5000/a/b:t"),
        ("busybox:1@sha256:" + "a" * 64, "docker.io/library/busybox@sha256:" + "a" * 64),
    ],
)
def test_names_are_completed(name: str, full: str) -> None:
    """A name without registry, path or tag is completed as containerd does it."""
    assert images.parse(name).full == full


@pytest.mark.parametrize("name", ["BAD", "a:b:c", "nginx:", "a//b", "-x", "n@sha256:1"])
def test_what_is_no_name(name: str) -> None:
    """A text that is no image name is refused with the words of the reference grammar."""
    with pytest.raises(images.InvalidName, match="invalid reference format"):
        images.parse(name)


def test_missing_images() -> None:
    """A name `nosuch…` is refused as unknown, the tag `missing` as not found."""
    with pytest.raises(images.PullError, match="insufficient_scope: authorization failed"):
        images.fetch("example.com/nosuch-thing:1")
    with pytest.raises(images.PullError, match=r"docker.io/library/nginx:missing: not found$"):
        images.fetch("nginx:missing")


def test_pulls_take_their_time() -> None:
    """A new image takes 2 s, one that is there 0.2 s; sizes and digests follow from the name."""
    machine = Machine()
    times = []
    for _ in range(2):
        begin = machine.world.now
        found = machine.answer("pull_image", "nginx:1").value
        times.append(round((machine.world.now - begin) / SECOND, 1))
    assert times == [2.0, 0.2]
    assert found == images.fetch("docker.io/library/nginx:1")
    assert machine.answer("image_status", "nginx:1").value == found
    assert machine.answer("image_status", "nginx:2").value is None
