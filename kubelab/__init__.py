"""kubelab: how Kubernetes works inside, a whole cluster in one process.

    from kubelab import Cluster
    c = Cluster(nodes=3)

The package's folders are Kubernetes' architecture; `cluster.py` is where to begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api.errors import ApiError

if TYPE_CHECKING:
    from kubelab.cluster import Cluster
    from kubelab.kubectl.errors import KubectlError

__all__ = ["ApiError", "Cluster", "KubectlError", "load_ipython_extension"]


def __getattr__(name: str) -> Any:
    # Imported when first asked for, so that `import kubelab` stays light.
    if name == "Cluster":
        from kubelab.cluster import Cluster

        return Cluster
    if name == "KubectlError":
        from kubelab.kubectl.errors import KubectlError

        return KubectlError
    raise AttributeError(f"module 'kubelab' has no attribute {name!r}")


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext kubelab`."""
    from kubelab import magics

    magics.load(shell)
