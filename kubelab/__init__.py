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

__all__ = ["ApiError", "Cluster", "load_ipython_extension"]


def __getattr__(name: str) -> Any:
    if name == "Cluster":
        from kubelab.cluster import Cluster

        return Cluster
    raise AttributeError(f"module 'kubelab' has no attribute {name!r}")


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext kubelab`."""
    from kubelab import magics

    magics.load(shell)
