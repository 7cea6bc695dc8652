"""Images for containers: the pull policy, one pull at a time, and the back-off.

A worker asks for an image and is told whether the node has it now; failures carry the waiting
reason and message that the pod's status shows. After the n-th failure the image is not tried again
for 10, 20, 40 … 300 s, for each pod and image by itself.

In Kubernetes: pkg/kubelet/images/image_manager.go. Left out: parallel pulls, garbage collection,
pull secrets and the record of who may use an image.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.api.objects import Obj, get
from kubelab.kubelet.backoff import Backoff
from kubelab.runtime import images
from kubelab.runtime.cri import Answer, ImageStatus
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.kubelet.kubelet import Kubelet
    from kubelab.kubelet.podworker import PodWorker


class Wanted(NamedTuple):
    """A container's image, wanted by a pod worker since a time."""

    uid: str
    epoch: int
    container: str
    field_path: str
    image: str
    policy: str
    asked_ns: int
    reply: str


class Failure(NamedTuple):
    """Why there is no image: a waiting reason with its message, and when to try again."""

    reason: str
    message: str
    retry_ns: int


class ImagePuller:
    """All image pulls of one kubelet."""

    def __init__(self, kubelet: Kubelet) -> None:
        self.kubelet = kubelet
        self.backoff = Backoff()
        self.line: deque[Wanted] = deque()
        self.looking: dict[int, Wanted] = {}
        # Images that were pulled and are looked at once more, by the call.
        self.fetched: dict[int, Wanted] = {}
        self.pulling: Wanted | None = None
        self.began_ns = 0
        self.errors: dict[str, str] = {}

    def ensure(self, worker: PodWorker, container: Obj, field_path: str, reply: str) -> None:
        """Sees to an image; `reply(answer)` of the worker gets an ImageStatus or a Failure."""
        name = container["image"]
        policy = get(container, "imagePullPolicy", default="IfNotPresent")
        wanted = Wanted(
            worker.uid, worker.epoch, container["name"], field_path, name, policy,
            self.kubelet.now, reply,
        )  # fmt: skip
        try:
            name = images.with_default_tag(name)
        except images.InvalidName as error:
            text = (
                f'Failed to apply default image tag "{name}": '
                f'couldn\'t parse image name "{name}": {error}'
            )
            self._event(wanted, "Warning", "InspectFailed", text)
            self._fail(wanted, "InvalidImageName", text)
            return
        call = self._cri("looked", "image_status", name)
        self.looking[call] = wanted

    def _cri(self, reply: str, verb: str, *args: Any) -> int:
        return self.kubelet.call_runtime("", 0, f"images.{reply}", verb, args, ())

    def looked(self, answer: Answer) -> None:
        """The node has the image, or not."""
        wanted = self.looking.pop(next(iter(self.looking)))
        present = answer.value is not None
        name = wanted.image
        self.kubelet.note(container=wanted.container, image=name, present=present)
        if not answer.ok:
            text = f'Failed to inspect image "{name}": {answer.error}'
            self._fail(wanted, "ImageInspectError", text)
        elif present and wanted.policy != "Always":
            text = f'Container image "{name}" already present on machine and can be accessed by '
            text += "the pod"
            self._event(wanted, "Normal", "Pulled", text)
            self._answer(wanted, answer)
        elif wanted.policy == "Never":
            text = f'Container image "{name}" is not present with pull policy of Never'
            self._event(wanted, "Warning", "ErrImageNeverPull", text)
            self._fail(wanted, "ErrImageNeverPull", text)
        elif left := self.backoff.since_update_ns(self._key(wanted), self.kubelet.now):
            text = f'Back-off pulling image "{name}"'
            self._event(wanted, "Normal", "BackOff", text)
            error = self.errors.get(self._key(wanted), "")
            self.kubelet.note(left_seconds=left / SECOND)
            self._fail(wanted, "ImagePullBackOff", f"{text}: ErrImagePull: {error}", left)
        else:
            self._event(wanted, "Normal", "Pulling", f'Pulling image "{name}"')
            self.line.append(wanted)
            self.pull_next()

    def pull_next(self) -> None:
        """Begins the next pull, unless one is under way."""
        if self.pulling is None and self.line:
            self.pulling = self.line.popleft()
            self.began_ns = self.kubelet.now
            self._cri("pulled", "pull_image", images.with_default_tag(self.pulling.image))

    def pulled(self, answer: Answer) -> None:
        """A pull has ended."""
        wanted, self.pulling, began_ns = self.pulling, None, self.began_ns
        self.pull_next()
        if wanted is None:
            return
        now, name = self.kubelet.now, wanted.image
        self.kubelet.note(container=wanted.container, image=name)
        if answer.ok:
            status: ImageStatus = answer.value
            took, waited = _seconds(now - began_ns), _seconds(now - wanted.asked_ns)
            text = (
                f'Successfully pulled image "{name}" in {took} ({waited} including waiting). '
                f"Image size: {status.size_bytes} bytes."
            )
            self._event(wanted, "Normal", "Pulled", text)
            self.fetched[self._cri("found", "image_status", images.with_default_tag(name))] = wanted
            return
        self.errors[self._key(wanted)] = answer.error
        self.backoff.bump(self._key(wanted), now, now)
        self._event(wanted, "Warning", "Failed", f'Failed to pull image "{name}": {answer.error}')
        self._fail(wanted, "ErrImagePull", answer.error, SECOND)

    def found(self, answer: Answer) -> None:
        """The image that was pulled, as the runtime keeps it."""
        self._answer(self.fetched.pop(next(iter(self.fetched))), answer)

    def forget(self, uid: str) -> None:
        """A pod is gone, and its failures with it."""
        self.backoff.forget(f"{uid}/")
        for key in [key for key in self.errors if key.startswith(f"{uid}/")]:
            del self.errors[key]

    def _key(self, wanted: Wanted) -> str:
        return f"{wanted.uid}/{wanted.image}"

    def _event(self, wanted: Wanted, type_: str, reason: str, message: str) -> None:
        worker = self.kubelet.workers.get(wanted.uid)
        if worker is not None and worker.epoch == wanted.epoch:
            worker.event(type_, reason, message, wanted.field_path)

    def _answer(self, wanted: Wanted, answer: Answer) -> None:
        worker = self.kubelet.workers.get(wanted.uid)
        if worker is not None:
            self.kubelet.note(pod=worker.key)
            worker.answered(wanted.epoch, wanted.reply, answer)

    def _fail(self, wanted: Wanted, reason: str, message: str, retry_ns: int = 10 * SECOND) -> None:
        self._answer(wanted, Answer(False, Failure(reason, message, retry_ns), message))


def _seconds(ns: int) -> str:
    """A time as Go prints it, in milliseconds: `2.134s`, `201ms`."""
    ms = ns // 1_000_000
    if ms < 1000:
        return f"{ms}ms"
    text = f"{ms / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{text}s"
