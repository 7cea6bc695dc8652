"""The scheduling framework: the points at which plugins stand, and what they answer.

A scheduling cycle passes the extension points in order: PreEnqueue and QueueSort before it, then
PreFilter, Filter, PostFilter where no node is left, PreScore, Score with NormalizeScore, Reserve,
Permit, PreBind, Bind, PostBind. A plugin stands at a point if it has the method of that name
(`pre_filter`, `filter`, …). It answers None for success, SKIP, or a `Status` with the reasons that
users read. A plugin holds only its arguments; what it works out for one pod goes into
`cycle.state`, what it reads of the cluster comes from `cycle.handle`.

`local_filter` and `local_score` are promises: "my verdict on a node follows from this key and from
the node alone". Then the framework may remember a verdict until the node changes, so that a cycle
costs little on the nodes where nothing happened. A plugin without them is asked anew each time.

In Kubernetes: k8s.io/kube-scheduler/framework (interface.go). Left out: extenders.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kubelab.api.objects import EMPTY, Obj
from kubelab.scheduler.podinfo import PodInfo

if TYPE_CHECKING:
    from kubelab.scheduler.cache import Cache, NodeInfo
    from kubelab.scheduler.memo import Memo
    from kubelab.scheduler.nominator import Nominator
    from kubelab.scheduler.profile import Profile
    from kubelab.scheduler.wakeups import ClusterEvent

MAX_SCORE = 100

SUCCESS = "Success"
ERROR = "Error"
UNSCHEDULABLE = "Unschedulable"
UNRESOLVABLE = "UnschedulableAndUnresolvable"
WAIT = "Wait"

# Extension points and the methods that stand for them.
POINTS = {
    "preEnqueue": "pre_enqueue",
    "queueSort": "sort_key",
    "preFilter": "pre_filter",
    "filter": "filter",
    "postFilter": "post_filter",
    "preScore": "pre_score",
    "score": "score",
    "reserve": "reserve",
    "permit": "permit",
    "preBind": "pre_bind",
    "bind": "bind",
    "postBind": "post_bind",
}


class Status(NamedTuple):
    """A verdict that is not success.

    `UNSCHEDULABLE` means that evicting pods may help, `UNRESOLVABLE` that it cannot. `detail` holds
    the numbers that were compared.
    """

    code: str
    reasons: tuple[str, ...] = ()
    plugin: str = ""
    detail: Obj = EMPTY

    @property
    def rejected(self) -> bool:
        """Whether the pod was refused, rather than something having gone wrong."""
        return self.code in (UNSCHEDULABLE, UNRESOLVABLE)

    @property
    def message(self) -> str:
        """The reasons as one text."""
        return ", ".join(self.reasons)


SKIP = Status("Skip")


def unschedulable(*reasons: str, detail: Obj = EMPTY) -> Status:
    """Refused; fewer pods on the node might help."""
    return Status(UNSCHEDULABLE, reasons, detail=detail)


def unresolvable(*reasons: str, detail: Obj = EMPTY) -> Status:
    """Refused, whoever leaves the node."""
    return Status(UNRESOLVABLE, reasons, detail=detail)


def wait(seconds: float) -> Status:
    """Permit's third answer: the pod keeps its node but is not bound until somebody allows it."""
    return Status(WAIT, detail=Obj(seconds=seconds))


class Write(NamedTuple):
    """A request that PreBind needs: a patch of a volume or a claim."""

    kind: str
    namespace: str
    name: str
    patch: Obj


class Lister(Protocol):
    """Reads the caches of API objects; `kind` is `v1/Service`."""

    def get(self, kind: str, key: str) -> Obj | None:
        """The object of `namespace/name` or `name`."""

    def list(self, kind: str, namespace: str = "") -> list[Obj]:
        """All objects, or those of a namespace."""


class Handle:
    """What plugins may read and use beyond the pod and the node."""

    def __init__(self, lister: Lister, cache: Cache, nominator: Nominator, memo: Memo) -> None:
        self.lister = lister
        self.cache = cache
        self.nominator = nominator
        self.memo = memo
        # Claims and volumes that a placed pod is about to bind: name of the volume to the claim.
        self.assumed_volumes: dict[str, str] = {}
        # Pods whose victims are still being deleted: the UID of the pod to how many.
        self.preempting: dict[str, int] = {}

    def namespace_labels(self, name: str) -> Obj:
        """The labels of a namespace."""
        namespace = self.lister.get("v1/Namespace", name)
        labels: Obj = (namespace or EMPTY).get("metadata", EMPTY).get("labels") or EMPTY
        return labels


class Cycle:
    """One pod's way through the extension points.

    `filters` are the Filter plugins that did not skip, `state` what each plugin worked out.
    """

    __slots__ = ("draw", "filters", "handle", "nodes", "now", "pod", "profile", "state")

    def __init__(
        self,
        pod: PodInfo,
        profile: Profile,
        handle: Handle,
        now: int = 0,
        draw: Callable[[int], int] | None = None,
    ) -> None:
        self.pod = pod
        self.profile = profile
        self.handle = handle
        self.now = now
        # Draws an integer below a limit.
        self.draw = draw or _first
        self.nodes: list[NodeInfo] = handle.cache.ordered()
        self.state: dict[str, Any] = {}
        self.filters: list[Plugin] = []

    def fork(self) -> Cycle:
        """A cycle whose state may be changed without touching this one (states are replaced)."""
        twin = Cycle.__new__(Cycle)
        twin.pod, twin.profile, twin.handle = self.pod, self.profile, self.handle
        twin.now, twin.draw, twin.nodes = self.now, self.draw, self.nodes
        twin.state = dict(self.state)
        twin.filters = self.filters
        return twin


def _first(limit: int) -> int:
    return 0


class Plugin:
    """The base of all plugins: a name, arguments, and answers that mean "not mine".

    Extension points are methods with the names in POINTS; this base has none of them. Their
    shapes, all with the cycle first: `pre_filter(cycle)` answers None, SKIP, a Status, or a tuple
    of the only nodes that come into question; `filter(cycle, node)` None or a Status;
    `pre_score(cycle, nodes)`; `score(cycle, node)` an integer; `normalize(cycle, nodes, scores)`
    the scores brought to 0..100.
    """

    name = ""
    # The cluster events (resource, action) at which `hint` is asked.
    events: tuple[tuple[str, str], ...] = ()

    def __init__(self, args: Obj = EMPTY) -> None:
        self.args = args

    def local_filter(self, cycle: Cycle) -> Hashable:
        """A key from which, with the node, the filter's verdict follows; None if there is more."""
        return None

    def local_score(self, cycle: Cycle) -> Hashable:
        """A key from which, with the node, the raw score follows; None if there is more."""
        return None

    def with_pod(self, cycle: Cycle, state: Any, pod: PodInfo, node: NodeInfo, sign: int) -> Any:
        """The state of `pre_filter` as if `pod` came to (+1) or left (-1) the node."""
        return state

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        """Whether an event in `events` may make the pod, which we rejected, schedulable."""
        return True


def stands_at(plugin: Plugin, point: str) -> bool:
    """Whether a plugin has the method of an extension point."""
    return hasattr(plugin, POINTS[point])


def normalize(scores: Sequence[int], *, reverse: bool = False) -> list[int]:
    """Default normalisation: the highest raw score becomes 100, or 0 when reversed."""
    highest = max(scores, default=0)
    if highest == 0:
        return [MAX_SCORE if reverse else 0] * len(scores)
    scaled = [MAX_SCORE * score // highest for score in scores]
    return [MAX_SCORE - score for score in scaled] if reverse else scaled
