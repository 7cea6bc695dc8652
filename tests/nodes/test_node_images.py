"""Images on nodes: those that a Node manifest brings, and those that are pulled."""

from __future__ import annotations

from tests.nodes.lines import cluster, pod, state, told

GIVEN = [
    {"names": ["docker.io/library/big:1", "docker.io/library/big@sha256:" + "a" * 64],
     "sizeBytes": 900_000_000},
    {"names": ["small:2"], "sizeBytes": 1_000},
]  # fmt: skip
NODE = {
    "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
    "status": {"capacity": {"cpu": "2", "memory": "4Gi", "pods": "20"}, "images": GIVEN},
}  # fmt: skip


def test_a_manifest_keeps_its_images() -> None:
    """What a Node manifest says of images is what its status says, before and after reports."""
    c = cluster(nodes=[NODE])
    assert c.get("Node", "n")["status"]["images"] == GIVEN
    c.run(400)
    assert c.get("Node", "n")["status"]["images"] == GIVEN


def test_a_present_image_is_not_pulled() -> None:
    """IfNotPresent finds an image of the manifest present, and so does Never."""
    c = cluster(nodes=[NODE])
    c.apply(pod("one", {"image": "small:2", "imagePullPolicy": "Never"}))
    c.apply(pod("two", {"image": "big:1"}))
    c.settle()
    for name, image in (("one", "small:2"), ("two", "big:1")):
        text = (
            f'Container image "{image}" already present on machine and can be accessed by the pod'
        )
        assert ("Normal", "Pulled", text, 1) in told(c, name)
    assert state(c, "two")["imageID"] == "docker.io/library/big@sha256:" + "a" * 64


def test_a_pulled_image_is_reported() -> None:
    """A pulled image is in the status at the next report, in order of size, with both its names."""
    c = cluster(nodes=[NODE])
    c.apply(pod("one", {"image": "nginx:1.27"}))
    c.run(16)
    images = c.get("Node", "n")["status"]["images"]
    assert [row["names"][-1] for row in images] == [
        "docker.io/library/big@sha256:" + "a" * 64, "docker.io/library/nginx:1.27", "small:2",
    ]  # fmt: skip
    assert images[1]["names"][0].startswith("docker.io/library/nginx@sha256:")
    assert [row["sizeBytes"] for row in images] == sorted(
        (row["sizeBytes"] for row in images), reverse=True
    )
