"""Static pods: manifests on the node's own disk, which the kubelet runs without being asked.

The directory `/etc/kubernetes/manifests` is read when the kubelet starts, when a file in it is
written, and with every look at the node. A file that is new makes a pod; one that has changed makes
the old pod end and then a new one begin; one that is gone ends its pod. The pod's UID is a hash of
the manifest, its name ends with the node's.

So that people see such a pod, the kubelet keeps a mirror of it in the API server. The mirror does
not steer anything: who deletes it sees it made again.

In Kubernetes: pkg/kubelet/config/file.go and common.go, pkg/kubelet/pod/mirror_client.go. Left out:
manifests from an URL; a volume that holds a directory above this one does not show its files.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from kubelab.api import manifests
from kubelab.api.objects import EMPTY, Obj, freeze, get, key_of, merged, name_of, namespace_of
from kubelab.api.rest import Response
from kubelab.kubelet import staticdefaults
from kubelab.kubelet.podworker import PodWorker

if TYPE_CHECKING:
    from kubelab.kubelet.kubelet import Kubelet

DIRECTORY = "/etc/kubernetes/manifests"
HASH = "kubernetes.io/config.hash"
MIRROR = "kubernetes.io/config.mirror"
SOURCE = "kubernetes.io/config.source"
SEEN = "kubernetes.io/config.seen"
SUFFIXES = (".yaml", ".yml", ".json")
RETRY_SECONDS = 10.0


def is_mirror(pod: Obj) -> bool:
    """Whether an object of the API server only shows a static pod."""
    return MIRROR in get(pod, "metadata", "annotations", default=EMPTY)


def is_static(pod: Obj) -> bool:
    """Whether a pod comes from a file of the node."""
    return bool(get(pod, "metadata", "annotations", SOURCE, default="api") == "file")


def read(text: str, path: str, node: str, timestamp: str) -> Obj | None:
    """The pod of a manifest, as the kubelet runs it; None for what is no Pod."""
    try:
        found = manifests.load(text)
    except ValueError:
        return None
    if len(found) != 1 or found[0].get("kind") != "Pod" or not get(found[0], "spec", "containers"):
        return None
    pod = found[0]
    plain = json.dumps(pod, sort_keys=True, default=dict)
    uid = hashlib.md5(f"{plain}\nhost:{node}\nfile:{path}".encode()).hexdigest()
    metadata = pod["metadata"]
    annotations = {**get(metadata, "annotations", default=EMPTY)}
    annotations.update({HASH: uid, SEEN: timestamp, SOURCE: "file"})
    spec = staticdefaults.filled(pod["spec"])
    tolerations = [*get(spec, "tolerations", default=())]
    tolerations.append({"effect": "NoExecute", "operator": "Exists"})
    return freeze({  # type: ignore[no-any-return]
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **metadata, "name": f"{name_of(pod)}-{node}", "uid": uid,
            "namespace": metadata.get("namespace") or "default", "annotations": annotations,
        },
        "spec": {**spec, "nodeName": node, "tolerations": tolerations},
        "status": {"phase": "Pending"},
    })  # fmt: skip


class StaticPods:
    """The static pods of one kubelet, and their mirrors."""

    def __init__(self, kubelet: Kubelet) -> None:
        self.kubelet = kubelet
        # The files as they were read last, and the pod of each.
        self.files: dict[str, str] = {}
        self.pods: dict[str, Obj] = {}
        # Mirrors as the API server has them, by key.
        self.mirrors: dict[str, Obj] = {}
        # Requests under way: of a deletion the UID of the mirror that is to go.
        self.asked: dict[str, str] = {}

    def worker(self, key: str) -> PodWorker | None:
        """The worker of the static pod of a key, while there is one."""
        for worker in self.kubelet.workers.values():
            if worker.key == key and is_static(worker.pod):
                return worker
        return None

    def wished(self, key: str) -> Obj | None:
        """The pod that a file wants under a key; of two files, the first."""
        return next((pod for pod in self.pods.values() if key_of(pod) == key), None)

    # Files.

    def scan(self) -> None:
        """Reads the directory: pods begin and end as its files say."""
        kubelet = self.kubelet
        held = kubelet.runtime.disk.volumes.get(DIRECTORY, {})
        files = {name: held[name] for name in sorted(held) if name.endswith(SUFFIXES)}
        if files == self.files:
            return
        keys = {key_of(pod): None for pod in self.pods.values()}
        for name, text in files.items():
            if text == self.files.get(name):
                continue
            pod = read(text, f"{DIRECTORY}/{name}", kubelet.node_name, kubelet.timestamp)
            if pod is None:
                kubelet.note(unreadable=f"{DIRECTORY}/{name}")
                self.pods.pop(name, None)
            else:
                self.pods[name] = pod
                keys[key_of(pod)] = None
        for name in self.files:
            if name not in files:
                self.pods.pop(name, None)
        self.files = files
        for key in keys:
            self.reconcile(key)

    def reconcile(self, key: str) -> None:
        """Brings the pod of a key to what the files say."""
        kubelet, wish, worker = self.kubelet, self.wished(key), self.worker(key)
        if worker is not None:
            if wish is None or wish["metadata"]["uid"] != worker.uid:
                self._end(worker)
            return
        if wish is not None:
            worker = kubelet.workers[wish["metadata"]["uid"]] = PodWorker(kubelet, wish)
            kubelet.note(pod=key, static=True)
            worker.mirror = self._mirror_of(worker)
            worker.arrive()
        self.reflect(key)

    def _end(self, worker: PodWorker) -> None:
        """The file is gone or says something else: the pod goes, with all the time it may take."""
        if worker.ending.begun:
            return
        spec = worker.pod["spec"]
        metadata = merged(
            worker.pod["metadata"],
            deletionTimestamp=self.kubelet.timestamp,
            deletionGracePeriodSeconds=spec.get("terminationGracePeriodSeconds", 30),
        )
        self.kubelet.note(pod=worker.key, manifest_gone=True)
        worker.update(merged(worker.pod, metadata=metadata))

    def ended(self, worker: PodWorker) -> None:
        """Nothing is left of a pod: another version of it may have been waiting."""
        if is_static(worker.pod):
            self.reconcile(worker.key)

    # Mirrors.

    def on_mirror(self, old: Obj | None, new: Obj | None) -> None:
        """A mirror has changed in the API server."""
        pod = new if new is not None else old
        assert pod is not None
        key = key_of(pod)
        if new is None:
            self.mirrors.pop(key, None)
        else:
            self.mirrors[key] = new
        worker = self.worker(key)
        if worker is not None:
            before, worker.mirror = worker.mirror, self._mirror_of(worker)
            if worker.mirror and worker.mirror != before:
                worker.writer.begin_anew()
        self.reflect(key)

    def _mirror_of(self, worker: PodWorker) -> str:
        """The UID of the object that shows a worker's pod as it is; empty if there is none."""
        mirror = self.mirrors.get(worker.key)
        if mirror is None or mirror["metadata"].get("deletionTimestamp"):
            return ""
        if mirror["metadata"]["annotations"][MIRROR] != worker.uid:
            return ""
        return str(mirror["metadata"]["uid"])

    def reflect(self, key: str) -> None:
        """Sees to it that the API server shows the pod of a key, and no other."""
        kubelet, mirror, worker = self.kubelet, self.mirrors.get(key), self.worker(key)
        if not kubelet.ready_for_pods or key in self.asked:
            return
        if mirror is not None:
            if worker is None or not worker.mirror:
                kubelet.note(mirror=key, does="deletes a mirror that shows nothing")
                uid = self.asked[key] = mirror["metadata"]["uid"]
                options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
                kubelet.delete(
                    "v1/Pod", namespace_of(mirror), name_of(mirror), body=options,
                    reply="static.answered", context=(key,),
                )  # fmt: skip
        elif worker is not None and not worker.ending.begun:
            kubelet.note(mirror=key, does="shows its static pod to the API server")
            self.asked[key] = ""
            kubelet.create(self._mirror(worker.pod), reply="static.answered", context=(key,))

    def _mirror(self, pod: Obj) -> Obj:
        """The object that shows a static pod."""
        metadata = {k: v for k, v in pod["metadata"].items() if k != "uid"}
        metadata["annotations"] = {**metadata["annotations"], MIRROR: pod["metadata"]["uid"]}
        node = self.kubelet.node.node
        if node is not None:
            metadata["ownerReferences"] = [{
                "apiVersion": "v1", "kind": "Node", "name": name_of(node),
                "uid": node["metadata"]["uid"], "controller": True,
            }]  # fmt: skip
        return freeze({  # type: ignore[no-any-return]
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"],
        })  # fmt: skip

    def answered(self, response: Response, key: str) -> None:
        """A mirror is made or deleted; the watch tells the rest. What failed is tried again."""
        deleting = self.asked.pop(key)
        kubelet = self.kubelet
        kubelet.promote()
        if response.status == 404 or (response.ok and deleting):
            mirror = self.mirrors.get(key)
            if mirror is not None and mirror["metadata"]["uid"] == deleting:
                del self.mirrors[key]
            self.reflect(key)
        elif response.ok:
            self.mirrors.setdefault(key, response.body)
        else:
            kubelet.note(mirror=key, error=response.message[:200])
            kubelet.after(RETRY_SECONDS, "reflect", key, background=True)

    def uid_in_api(self, worker: Any) -> str:
        """Under which UID the API server knows a worker's pod; empty if it does not."""
        return worker.mirror if is_static(worker.pod) else worker.uid  # type: ignore[no-any-return]
