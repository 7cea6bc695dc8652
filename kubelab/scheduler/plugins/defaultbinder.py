"""DefaultBinder: tells the API server on which node the pod is to run.

The binding is a request of its own, POST pods/NAME/binding; the scheduler changes nothing else of
the pod's spec.

In Kubernetes: pkg/scheduler/framework/plugins/defaultbinder.
"""

from __future__ import annotations

from kubelab.api.objects import Obj, freeze
from kubelab.scheduler.framework import Plugin
from kubelab.scheduler.podinfo import PodInfo


class DefaultBinder(Plugin):
    """The Binding object."""

    name = "DefaultBinder"

    def bind(self, pod: PodInfo, node: str) -> Obj:
        """The body of the request."""
        meta = {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid}
        body: Obj = freeze(
            {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": meta,
                "target": {"kind": "Node", "name": node},
            }
        )
        return body
