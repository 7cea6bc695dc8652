"""Files: the disk of a node, and the tree of files that a container sees.

A file is its path and its text. A container has files of its own, which are gone with it, and
mounts: paths below which the files of a volume on the node's disk are seen. Whoever shares a volume
sees what the others write. A directory exists where a file lies below it, or where it was made (its
path with a slash at the end).

In Kubernetes: /var/lib/kubelet/pods and a container's overlay and bind mounts. Left out: owners,
modes, links, and sizes other than the length of the text.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubelab.runtime.cri import Mount

# Paths below which lies storage that all nodes reach.
NETWORK = "/network/"


class Disk:
    """The volumes on a node's disk, by host path; each maps a path within it to a text.

    `network` holds the volumes of the storage beyond the node, which all nodes share.
    """

    def __init__(self) -> None:
        self.volumes: dict[str, dict[str, str]] = {}
        self.network: dict[str, dict[str, str]] = {}
        self.full = False

    def volume(self, host_path: str) -> dict[str, str]:
        """The files of a volume, which is made if it is not there."""
        home = self.network if host_path.startswith(NETWORK) else self.volumes
        return home.setdefault(host_path, {})

    def replace(self, host_path: str, files: dict[str, str]) -> None:
        """Sets all files of a volume at once; who has it mounted sees the new ones."""
        volume = self.volume(host_path)
        volume.clear()
        volume.update(files)

    def remove(self, host_path: str) -> None:
        """Deletes a volume."""
        self.volumes.pop(host_path, None)


class ReadOnly(OSError):
    """Raised by a write into a file system that is mounted read-only."""


def normal(path: str, directory: str = "/") -> str:
    """The absolute path, without `.`, `..` and doubled slashes."""
    parts: list[str] = []
    for part in (path if path.startswith("/") else f"{directory}/{path}").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


class FileSystem:
    """What one container sees: its own files, and its mounts."""

    def __init__(self, disk: Disk, mounts: tuple[Mount, ...], *, read_only: bool = False) -> None:
        self.disk = disk
        # The longest path first, so that a mount within a mount is found before the outer one.
        self.mounts = tuple(sorted(mounts, key=_depth))
        self.read_only = read_only
        self.own: dict[str, str] = {"/tmp/": "", "/dev/": "", "/etc/": "", "/bin/": ""}

    def _place(self, path: str) -> tuple[dict[str, str], str, bool]:
        """The files in which a path lies, its key among them, and whether they are read-only."""
        for mount in self.mounts:
            if path == mount.container_path or path.startswith(_slashed(mount.container_path)):
                inner = path[len(mount.container_path) :].strip("/")
                key = "/".join(part for part in (mount.sub_path.strip("/"), inner) if part)
                return self.disk.volume(mount.host_path), key, mount.read_only
        temporary = path.startswith("/dev/")
        return self.own, path, self.read_only and not temporary

    def read(self, path: str) -> str | None:
        """The text of a file, or None."""
        files, key, _ = self._place(normal(path))
        return files.get(key)

    def write(self, path: str, text: str, *, append: bool = False) -> None:
        """Writes a file. Raises ReadOnly, FileNotFoundError without its directory."""
        path = normal(path)
        files, key, read_only = self._place(path)
        if read_only:
            raise ReadOnly(path)
        if not self.is_directory(path.rpartition("/")[0] or "/"):
            raise FileNotFoundError(path)
        files[key] = (files.get(key, "") if append else "") + text

    def make_directory(self, path: str) -> None:
        """Makes a directory."""
        files, key, read_only = self._place(normal(path))
        if read_only:
            raise ReadOnly(path)
        if key:
            files[f"{key}/"] = ""

    def remove(self, path: str) -> bool:
        """Removes a file or a directory with all in it; False if there is none. Raises ReadOnly."""
        path = normal(path)
        files, key, read_only = self._place(path)
        prefix = f"{key}/" if key and key != "/" else ""
        doomed = [name for name in files if name == key or name.startswith(prefix)]
        if not doomed:
            return False
        if read_only:
            raise ReadOnly(path)
        for name in doomed:
            del files[name]
        return True

    def is_file(self, path: str) -> bool:
        """Whether there is a file at the path."""
        return self.read(path) is not None

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory at the path."""
        path = normal(path)
        if path == "/" or any(
            _slashed(m.container_path).startswith(_slashed(path)) for m in self.mounts
        ):
            return not self.is_file(path)
        files, key, _ = self._place(path)
        prefix = f"{key}/" if key else ""
        return not key or any(name.startswith(prefix) for name in files)

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        return sorted(dict.fromkeys(self._names(_slashed(normal(path)))))

    def _names(self, prefix: str) -> Iterator[str]:
        files, key, _ = self._place(prefix.rstrip("/") or "/")
        inner = prefix if files is self.own else f"{key}/" if key else ""
        for name in files:
            if name.startswith(inner) and len(name) > len(inner):
                yield name[len(inner) :].partition("/")[0]
        for mount in self.mounts:
            if mount.container_path.startswith(prefix):
                yield mount.container_path[len(prefix) :].partition("/")[0]


def _slashed(path: str) -> str:
    return path if path.endswith("/") else f"{path}/"


def _depth(mount: Mount) -> tuple[int, str]:
    return -len(mount.container_path), mount.container_path
