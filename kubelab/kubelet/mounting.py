"""A pod's volumes: fetched, written to the node's disk, refreshed, and unmounted at the end.

Until every volume is set up nothing of the pod runs. What is missing is tried again after 0.5, 1, 2
… 122 s; after 2 minutes and 3 seconds of that an Event says which volumes the pod still waits for.

In Kubernetes: pkg/kubelet/volumemanager and pkg/volume/util/nestedpendingoperations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api.objects import Obj, get
from kubelab.kubelet import claims, downward, nodestatus, volumes
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker

FIRST_NS = SECOND // 2
LONGEST_NS = 122 * SECOND
PATIENCE_NS = 123 * SECOND
# So long the pod rests after that, before it is waited for again.
REST_NS = 10 * SECOND
RESYNC_SECONDS = 60.0


class Mounting:
    """The volumes of one pod."""

    def __init__(self, worker: PodWorker) -> None:
        self.worker = worker
        self.done = False
        self.failures = 0
        self.since_ns = 0
        self.pending: list[str] = []
        # Where the volumes behind the pod's claims lie.
        self.places: dict[str, str] = {}
        self.timer: int | None = None

    def context(self) -> downward.Context:
        """What the downward API needs beside the pod."""
        kubelet = self.worker.kubelet
        node = kubelet.node.node or kubelet.manifest
        allocatable = get(node, "status", "allocatable", default=None) or nodestatus.CAPACITY
        sandbox = self.worker.sandbox
        return downward.Context(
            self.worker.ip, kubelet.address, kubelet.node_name, allocatable,
            ",".join(sandbox.ips) if sandbox is not None else "", ",".join(kubelet.addresses),
        )  # fmt: skip

    def begin(self) -> None:
        """Sets up all volumes, once the objects for them are here."""
        worker = self.worker
        if not self.since_ns:
            self.since_ns = worker.kubelet.now
        refs = [*volumes.refs(worker.pod), *volumes.pull_secrets(worker.pod)]
        refs += claims.refs(worker.pod)
        if worker.kubelet.objects.fetch(worker, refs, "mounting.fetched"):
            self.fetched()

    def fetched(self) -> None:
        """All objects are here, or known to be missing; the volumes of claims come next."""
        worker = self.worker
        refs = claims.volume_refs(worker.pod, worker.kubelet.objects)
        if worker.kubelet.objects.fetch(worker, refs, "mounting.complete"):
            self.complete()

    def complete(self) -> None:
        """Everything is here that can be: each volume is set up, if what it needs is there."""
        worker = self.worker
        self.pending = []
        waits = self._find_claims()
        if waits:
            self._wait(waits)
            return
        for volume in volumes.volumes(worker.pod):
            message = self._set_up(volume)
            if message:
                self.pending.append(volume["name"])
                text = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {message}'
                worker.event("Warning", "FailedMount", text)
        if not self.pending:
            self.done = True
            self._look_for_pull_secrets()
            if self.failures:
                worker.progressed()
            if volumes.changes(worker.pod):
                self._resync()
            worker.advance()
            return
        self._wait({})

    def _find_claims(self) -> dict[str, str]:
        """Where the volumes of the pod's claims lie; why not, by the names of those without."""
        worker, waits = self.worker, {}
        attached = [row["name"] for row in worker.kubelet.node.attached()]
        for volume, ref in claims.claimed(worker.pod):
            name = volume["name"]
            try:
                found = claims.volume_behind(ref, worker.pod, volume, worker.kubelet.objects)
            except claims.NotReady as error:
                waits[name] = str(error)
                continue
            unique = claims.unique_name(found)
            if unique:
                worker.kubelet.node.use(unique, worker.uid)
            if unique and unique not in attached:
                waits[name] = ""
            else:
                self.places[name] = claims.place(found)
        return waits

    def _wait(self, waits: dict[str, str]) -> None:
        """Tries again later; `waits` are claims that are not ready, with the reasons."""
        worker = self.worker
        kubelet = worker.kubelet
        self.pending += list(waits)
        reasons = [text for text in waits.values() if text]
        kubelet.note(pod=worker.key, waits_for=list(self.pending))
        if reasons:
            names = " ".join(name for name, text in waits.items() if text)
            text = (
                f"Unable to attach or mount volumes: unmounted volumes=[{names}], unattached "
                f"volumes=[], failed to process volumes=[{names}]: {'; '.join(reasons)}"
            )
            worker.event("Warning", "FailedMount", text)
        elif kubelet.now - self.since_ns >= PATIENCE_NS:
            self.since_ns = kubelet.now + REST_NS
            unattached = " ".join(waits)
            text = (
                f"Unable to attach or mount volumes: unmounted volumes=[{' '.join(self.pending)}], "
                f"unattached volumes=[{unattached}], failed to process volumes=[]: context "
                "deadline exceeded"
            )
            worker.event("Warning", "FailedMount", text)
        if len(self.pending) > len(waits) or reasons or not waits:
            worker.retry(min(FIRST_NS << min(self.failures, 10), LONGEST_NS))
        if self.since_ns + PATIENCE_NS > kubelet.now:
            worker.retry(self.since_ns + PATIENCE_NS - kubelet.now)
        self.failures += 1
        worker.end_pass()

    def _look_for_pull_secrets(self) -> None:
        """Says which secrets for pulling images are not there."""
        worker = self.worker
        refs = volumes.pull_secrets(worker.pod)
        missing = [ref.name for ref in refs if worker.kubelet.objects.get(ref) is None]
        if missing:
            text = (
                f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
                "attempting to pull the image may not succeed."
            )
            worker.event("Warning", "FailedToRetrieveImagePullSecret", text)

    def _set_up(self, volume: Obj) -> str:
        """Writes one volume; returns why it cannot be."""
        worker = self.worker
        disk = worker.kubelet.runtime.disk
        path = volumes.host_path(worker.pod, volume, self.places)
        if "hostPath" in volume:
            problem = claims.host_path_problem(volume["hostPath"], disk)
            if problem:
                return problem
        try:
            files = volumes.files(worker.pod, volume, worker.kubelet.objects, self.context())
        except volumes.MountError as error:
            return str(error)
        if volumes.kind_of(volume) in volumes.DIRECTORIES:
            disk.volume(path)
        else:
            disk.replace(path, files)
        return ""

    def _resync(self) -> None:
        kubelet, uid = self.worker.kubelet, self.worker.uid
        self.timer = kubelet.after(RESYNC_SECONDS, "refetch", uid, background=True)

    def refresh(self) -> None:
        """The pod's resync: what its ConfigMaps and Secrets hold now is written to its volumes."""
        worker = self.worker
        if worker.ending.begun:
            return
        self._resync()
        if worker.kubelet.objects.fetch(worker, volumes.refs(worker.pod), "mounting.refreshed"):
            self.refreshed()

    def refreshed(self) -> None:
        """The objects are here again."""
        for volume in volumes.volumes(self.worker.pod):
            if volumes.kind_of(volume) not in volumes.DIRECTORIES:
                self._set_up(volume)

    def unmount(self) -> None:
        """Deletes what belongs to the pod alone, and lets go of what is attached."""
        disk = self.worker.kubelet.runtime.disk
        self.worker.kubelet.node.release(self.worker.uid)
        for volume in volumes.volumes(self.worker.pod):
            if volumes.kind_of(volume) not in ("hostPath", *volumes.CLAIMED):
                disk.remove(volumes.host_path(self.worker.pod, volume))
