"""Pods made and deleted in one turn of a controller, told in Events, with one end.

Creations go out in batches of 1, 2, 4, 8 and so on, each when the one before has been answered
without failure, so that a quota or a broken webhook is not stormed by a thousand doomed requests.
Deletions go out at once. When everything is answered `finish` is called, with the last failure.

In Kubernetes: slowStartBatch in pkg/controller/replicaset, and RealPodControl in pkg/controller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kubelab.api.objects import NOTHING, Obj, get, name_of, namespace_of
from kubelab.api.rest import Response
from kubelab.client.controller import Controller

# Reason and message of what went wrong.
Failure = tuple[str, str]
NO_FAILURE: Failure = ("", "")


class Batch(NamedTuple):
    """What of one turn is still to be sent and to be answered."""

    owner: Obj
    left: tuple[Obj, ...]
    size: int
    creating: int
    deleting: int
    failure: Failure = NO_FAILURE


class PodBatches(Controller):
    """A controller that makes and deletes pods."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.batches: dict[str, Batch] = {}

    def finish(self, owner: Obj, failure: Failure) -> None:
        """Everything of this turn is answered; `owner` is as the turn found it."""
        raise NotImplementedError

    def act(self, owner: Obj, create: Sequence[Obj] = (), delete: Sequence[Obj] = ()) -> None:
        """Begins; the key stays open until `finish`."""
        batch = Batch(owner, tuple(create), 1, 0, len(delete))
        for pod in delete:
            self.delete("v1/Pod", namespace_of(pod), name_of(pod), "deleted", name_of(pod))
        if create:
            self._send(batch)
        elif delete:
            self.batches[self.key] = batch
        else:
            self.finish(owner, NO_FAILURE)

    def _send(self, batch: Batch) -> None:
        now = batch.left[: batch.size]
        self.batches[self.key] = batch._replace(
            left=batch.left[len(now) :], size=batch.size * 2, creating=len(now)
        )
        for pod in now:
            self.create(pod, "created")

    def created(self, response: Response) -> bool:
        """The answer to one creation; with the last of a batch comes the next."""
        batch = self.batches.get(self.key)
        if batch is None:
            return True
        handled = False
        if response.ok:
            text = f"Created pod: {name_of(response.body)}"
            self.recorder.event(batch.owner, "Normal", "SuccessfulCreate", text)
        elif is_namespace_ending(response):
            handled = True
            batch = batch._replace(left=())
        else:
            text = f"Error creating: {response.message}"
            self.recorder.event(batch.owner, "Warning", "FailedCreate", text)
            batch = batch._replace(failure=("FailedCreate", response.message))
        batch = batch._replace(creating=batch.creating - 1)
        if batch.failure[0] and not batch.creating:
            batch = batch._replace(left=())
        if batch.left and not batch.creating:
            act = f"create {len(batch.left)}"
            self.note(controller=self.name, key=self.key, act=act)
            self._send(batch)
        else:
            self._close(batch)
        return handled

    def deleted(self, response: Response, name: str) -> None:
        """The answer to one deletion."""
        batch = self.batches.get(self.key)
        if batch is None:
            return
        if response.ok:
            text = f"Deleted pod: {name}"
            self.recorder.event(batch.owner, "Normal", "SuccessfulDelete", text)
        elif response.status != 404:
            text = f"Error deleting: {response.message}"
            self.recorder.event(batch.owner, "Warning", "FailedDelete", text)
            batch = batch._replace(failure=("FailedDelete", response.message))
        self._close(batch._replace(deleting=batch.deleting - 1))

    def _close(self, batch: Batch) -> None:
        """Ends the turn if this was the last answer."""
        self.batches[self.key] = batch
        if not batch.left and not batch.creating and not batch.deleting:
            del self.batches[self.key]
            self.finish(batch.owner, batch.failure)


def is_namespace_ending(response: Response) -> bool:
    """Whether a creation was refused because its namespace is being deleted: no use in retrying."""
    causes = get(response.body, "details", "causes", default=NOTHING)
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
