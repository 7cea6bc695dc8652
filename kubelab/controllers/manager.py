"""The controller manager: one process, many loops.

Each loop is a `Controller` of its own with its own queue; what they share is the process, its
connection to the API server and the informers. Stop it, and objects are still accepted, but nobody
acts on them; start it again, and it lists everything and catches up.

In Kubernetes: cmd/kube-controller-manager/app/controllermanager.go. Left out: service accounts of
each loop's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubelab.client.controller import Controller, Process
from kubelab.client.leaderelection import Candidate
from kubelab.controllers import sentences
from kubelab.controllers.attachdetach import AttachDetachController
from kubelab.controllers.certificates import (
    CertificateApprover,
    CertificateCleaner,
    CertificateSigner,
)
from kubelab.controllers.clusterroleaggregation import ClusterRoleAggregationController
from kubelab.controllers.cronjob import CronJobController
from kubelab.controllers.daemonset import DaemonSetController
from kubelab.controllers.deployment import DeploymentController
from kubelab.controllers.disruption import DisruptionController
from kubelab.controllers.endpoints import EndpointsController
from kubelab.controllers.endpointslice import EndpointSliceController
from kubelab.controllers.endpointslicemirroring import EndpointSliceMirroringController
from kubelab.controllers.ephemeralvolume import EphemeralVolumeController
from kubelab.controllers.garbagecollector import GarbageCollector
from kubelab.controllers.horizontal import HorizontalController
from kubelab.controllers.job import JobController
from kubelab.controllers.namespace import NamespaceController
from kubelab.controllers.nodeipam import NodeIPAMController
from kubelab.controllers.nodelifecycle import NodeLifecycleController
from kubelab.controllers.nodettl import TTLController
from kubelab.controllers.persistentvolume import PersistentVolumeController
from kubelab.controllers.podgc import PodGCController
from kubelab.controllers.policystatus import PolicyStatusController
from kubelab.controllers.provisioner import ProvisionerController
from kubelab.controllers.replicaset import ReplicaSetController
from kubelab.controllers.replicationcontroller import ReplicationControllerController
from kubelab.controllers.resourcequota import ResourceQuotaController
from kubelab.controllers.serviceaccount import RootCAController, ServiceAccountController
from kubelab.controllers.serviceloadbalancer import ServiceController
from kubelab.controllers.statefulset import StatefulSetController
from kubelab.controllers.tainteviction import TaintEvictionController
from kubelab.controllers.ttlafterfinished import TTLAfterFinishedController
from kubelab.controllers.volumeexpand import VolumeExpandController
from kubelab.controllers.volumeprotection import (
    ClaimProtectionController,
    VolumeProtectionController,
)
from kubelab.sim.kernel import Event

NAME = "controller-manager"
ROOT_CA = "-----BEGIN CERTIFICATE-----\nkubelab\n-----END CERTIFICATE-----\n"

CONTROLLERS: tuple[type[Controller], ...] = (
    NodeIPAMController,
    NodeLifecycleController,
    TTLController,
    TaintEvictionController,
    NamespaceController,
    ServiceAccountController,
    RootCAController,
    DeploymentController,
    ReplicaSetController,
    ReplicationControllerController,
    DaemonSetController,
    StatefulSetController,
    JobController,
    CronJobController,
    TTLAfterFinishedController,
    EndpointsController,
    EndpointSliceController,
    EndpointSliceMirroringController,
    GarbageCollector,
    PodGCController,
    DisruptionController,
    PersistentVolumeController,
    ProvisionerController,
    VolumeExpandController,
    AttachDetachController,
    EphemeralVolumeController,
    ClaimProtectionController,
    VolumeProtectionController,
    ServiceController,
    ResourceQuotaController,
    HorizontalController,
    ClusterRoleAggregationController,
    PolicyStatusController,
    CertificateApprover,
    CertificateSigner,
    CertificateCleaner,
)


class ControllerManager(Candidate, Process):
    """kube-controller-manager. `root_ca` is what pods are given to know the API server by.

    With `elects` its loops run only while it leads; `alone` says that there is no other replica.
    """

    lease_name = "kube-controller-manager"

    def __init__(
        self,
        servers: Sequence[str] = ("apiserver-1",),
        *,
        name: str = NAME,
        controllers: Sequence[type[Controller]] = CONTROLLERS,
        root_ca: str = ROOT_CA,
        elects: bool = False,
        alone: bool = True,
    ) -> None:
        Process.__init__(self, name, controllers, servers=servers, agent="kube-controller-manager")
        # There each loop has a service account of its own, with the rights that it needs.
        self.groups = ("system:masters",)
        self.root_ca = root_ca
        self.elects, self.alone = elects, alone

    def run_controllers(self) -> None:
        """Starts the loops, after an election if there is to be one."""
        if self.elects:
            self.campaign()
        else:
            super().run_controllers()

    def lead(self) -> None:
        super().run_controllers()

    @staticmethod
    def tell(event: Event) -> str:
        return sentences.tell(event)


def controller_manager(
    servers: Sequence[str] = ("apiserver-1",),
    *,
    name: str = NAME,
    elects: bool = False,
    alone: bool = True,
) -> ControllerManager:
    """The controller manager with all of its loops."""
    return ControllerManager(servers, name=name, elects=elects, alone=alone)
