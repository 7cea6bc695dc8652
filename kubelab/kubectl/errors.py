"""What goes wrong in kubectl, and how it says so.

    Exception
    ├── KubectlError    what the caller of `Cluster.kubectl` gets: stderr, stdout and the exit code
    └── Failed          within kubectl: a text for stderr that ends the command

A refusal by the server is an `ApiError` until its text is made here, from the Status' reason and
message; for an invalid object from the causes in its details.

In Kubernetes: k8s.io/kubectl/pkg/cmd/util/helpers.go (StandardErrorMessage, MultilineError).
"""

from __future__ import annotations

from typing import Any

from kubelab.api.errors import ApiError


class KubectlError(Exception):
    """A command of kubectl failed; `stderr` is kubectl's own, `code` its exit code."""

    def __init__(self, stderr: str, code: int = 1, stdout: str = "") -> None:
        super().__init__(stderr.rstrip("\n"))
        self.stderr = stderr
        self.code = code
        self.stdout = stdout

    def __reduce__(self) -> Any:
        return KubectlError, (self.stderr, self.code, self.stdout)


class Failed(Exception):
    """Ends a command; the text stands on stderr as it is, or nothing where it is empty."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def fail(text: str) -> Failed:
    """A failure in kubectl's usual form."""
    return Failed(f"error: {text}")


def usage(command: str, text: str) -> Failed:
    """A failure that points to the command's help."""
    return Failed(f"error: {text}\nSee 'kubectl {command} -h' for help and examples")


def server_text(error: ApiError, doing: str = "") -> str:
    """A refusal of the server as kubectl prints it; `doing` says during what it came."""
    status = error.status
    if error.code == 422 and error.reason in ("Invalid", ""):
        return _invalid(status)
    message = f"{doing}: {status.get('message', '')}" if doing else status.get("message", "")
    if error.code == 401:
        return f"error: You must be logged in to the server ({message})"
    reason = f" ({error.reason})" if error.reason else ""
    return f"Error from server{reason}: {message}"


def _invalid(status: Any) -> str:
    details = status.get("details") or {}
    causes = details.get("causes") or ()
    if details.get("kind") or details.get("name"):
        head = f'The {details.get("kind", "")} "{details.get("name", "")}" is invalid'
    else:
        head = "The request is invalid"
        if not causes:
            return f"{head}: {status.get('message', '')}"
    texts = list(dict.fromkeys(f"{c.get('field', '')}: {c.get('message', '')}" for c in causes))
    if len(texts) > 1:
        return "\n* ".join([f"{head}: ", *texts])
    return f"{head}: {texts[0]}" if texts else head
