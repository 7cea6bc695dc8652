"""The calls of the CRI that concern images; a part of `Runtime`.

A pull takes its time and is not interrupted; what the node has already is asked for at the registry
all the same, which is quick.

In Kubernetes: the ImageService of k8s.io/cri-api.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.runtime import images
from kubelab.runtime.cri import Answer, ImageStatus
from kubelab.sim.kernel import Component

REFUSED_PULL_SECONDS = 0.2


class ImageService(Component):
    """The images of one node."""

    images: images.ImageStore

    if TYPE_CHECKING:

        def answer(
            self, caller: str, call_id: int, answer: Answer, seconds: float = 0.0
        ) -> None: ...

    def image_status(self, caller: str, call_id: int, image: str) -> None:
        """The image, if the node has it."""
        found = self.images.get(image)
        self.note(image=image, present=found is not None)
        self.answer(caller, call_id, Answer(True, found))

    def pull_image(self, caller: str, call_id: int, image: str) -> None:
        """Fetches an image from its registry."""
        self.note(image=image)
        try:
            found = images.fetch(image)
        except (images.PullError, images.InvalidName) as error:
            self.note(error=str(error))
            self.answer(caller, call_id, Answer(False, None, str(error)), REFUSED_PULL_SECONDS)
            return
        cached = self.images.get(image)
        seconds = images.PULL_SECONDS if cached is None else images.CACHED_PULL_SECONDS
        found = cached or found
        self.note(seconds=seconds, size_bytes=found.size_bytes)
        self.after(seconds, "pulled", caller, call_id, found)

    def pulled(self, caller: str, call_id: int, image: ImageStatus) -> None:
        """All of an image has arrived."""
        self.note(image=image.name, size_bytes=image.size_bytes)
        self.images.put(image)
        self.answer(caller, call_id, Answer(True, image))

    def remove_image(self, caller: str, call_id: int, image: str) -> None:
        """Deletes an image from the disk."""
        self.note(image=image)
        self.images.remove(image)
        self.answer(caller, call_id, Answer(True))
