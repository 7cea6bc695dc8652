"""A pod's claims: which volume stands behind each, and where on the node it lies.

A claim must be bound, and its volume must be there; then the volume's own source says where the
files are: a directory of this node (`hostPath`, `local`), or storage that every node reaches. Such
storage has to be attached to the node first if a CSI driver serves it.

In Kubernetes: pkg/kubelet/volumemanager/populator and pkg/volume (hostpath, local, csi).
"""

from __future__ import annotations

from collections.abc import Iterator

from kubelab.api.objects import NOTHING, Obj, get, name_of, namespace_of, uid_of
from kubelab.kubelet import volumes
from kubelab.kubelet.objectcache import ObjectCache, Ref
from kubelab.runtime.files import NETWORK, Disk

CLAIM, VOLUME = "PersistentVolumeClaim", "PersistentVolume"
# Directories that every machine has.
MACHINE = ("/", "/dev", "/etc", "/home", "/mnt", "/opt", "/proc", "/run", "/sys", "/tmp", "/usr",
           "/var", "/var/lib", "/var/lib/kubelet", "/var/log", "/var/log/pods")  # fmt: skip


class NotReady(Exception):
    """Raised for a claim that no volume stands behind yet; the message is Kubernetes'."""


def claimed(pod: Obj) -> Iterator[tuple[Obj, Ref]]:
    """The volumes of a pod that are claims, each with its claim."""
    for volume in volumes.volumes(pod):
        if volumes.kind_of(volume) in volumes.CLAIMED:
            default = f"{name_of(pod)}-{volume['name']}"
            name = get(volume, "persistentVolumeClaim", "claimName", default=default)
            yield volume, Ref(CLAIM, namespace_of(pod), name)


def refs(pod: Obj) -> list[Ref]:
    """The claims of a pod."""
    return [ref for _, ref in claimed(pod)]


def volume_refs(pod: Obj, cache: ObjectCache) -> list[Ref]:
    """The volumes behind them, as far as they are known."""
    found = (get(cache.get(ref), "spec", "volumeName") for ref in refs(pod) if cache.get(ref))
    return [Ref(VOLUME, "", name) for name in found if name]


def volume_behind(ref: Ref, pod: Obj, volume: Obj, cache: ObjectCache) -> Obj:
    """The volume that a claim is bound to. Raises NotReady."""
    claim = cache.get(ref)
    what = f"error processing PVC {ref.namespace}/{ref.name}: "
    if claim is None:
        text = cache.held_error(ref) or f'persistentvolumeclaims "{ref.name}" not found'
        raise NotReady(f"{what}failed to fetch PVC from API server: {text}")
    owners = get(claim, "metadata", "ownerReferences", default=NOTHING)
    if "ephemeral" in volume and not any(owner["uid"] == uid_of(pod) for owner in owners):
        raise NotReady(
            f"{what}PVC {ref.namespace}/{ref.name} was not created for pod "
            f"{namespace_of(pod)}/{name_of(pod)} (pod is not owner)"
        )
    if claim["metadata"].get("deletionTimestamp"):
        raise NotReady(f"{what}PVC is being deleted")
    name = get(claim, "spec", "volumeName")
    if get(claim, "status", "phase") != "Bound" or not name:
        raise NotReady(f"{what}PVC is not bound")
    found = cache.get(Ref(VOLUME, "", name))
    if found is None:
        raise NotReady(f'{what}failed to fetch PV {name} from API server: '
                       f'persistentvolumes "{name}" not found')  # fmt: skip
    return found


def unique_name(persistent: Obj) -> str:
    """The name by which a node tells that a volume is attached; empty where none has to be."""
    source = get(persistent, "spec", "csi")
    return f"kubernetes.io/csi/{source['driver']}^{source['volumeHandle']}" if source else ""


def place(persistent: Obj) -> str:
    """The path of a volume's files on the node."""
    spec = persistent["spec"]
    for kind in ("hostPath", "local"):
        if kind in spec:
            return str(spec[kind]["path"])
    if "csi" in spec:
        return f"{NETWORK}csi/{spec['csi']['driver']}/{spec['csi']['volumeHandle']}"
    return f"{NETWORK}{name_of(persistent)}"


def host_path_problem(source: Obj, disk: Disk) -> str:
    """Why a directory or file of the node cannot be mounted; empty if it can."""
    path, kind = source["path"], source.get("type") or ""
    above, _, name = path.rpartition("/")
    is_directory = path in disk.volumes or path.rstrip("/") in MACHINE or path == "/"
    is_file = name in disk.volumes.get(above or "/", {})
    if kind == "Directory" and not is_directory:
        return f"hostPath type check failed: {path} is not a directory"
    if kind == "File" and not is_file:
        return f"hostPath type check failed: {path} is not a file"
    if kind in ("Socket", "CharDevice", "BlockDevice"):
        word = {"Socket": "socket", "CharDevice": "character device", "BlockDevice": "block device"}
        return f"hostPath type check failed: {path} is not a {word[kind]} file"
    return ""
