"""What is refused, and in which words, is what a real API server refuses."""

from __future__ import annotations

import pytest

from kubelab.api import kinds
from kubelab.api.kinds import Kind
from kubelab.apiserver import cron_words, defaults, schema_check, validation
from kubelab.sim.tree import Obj, freeze, merged, with_
from tests.golden_data import cases

POD = kinds.named("v1/Pod")


def created(kind: Kind, obj: Obj, namespace: str = "shop") -> Obj:
    """An object as it comes to validation."""
    obj = freeze({"apiVersion": kind.api_version, "kind": kind.kind, **obj})
    clean, _, wrong = schema_check.check(kind, obj)
    assert wrong is None
    metadata = dict(clean.get("metadata") or ())
    if kind.namespaced:
        metadata.setdefault("namespace", namespace)
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = metadata["generateName"] + "<rand>"
    return defaults.apply_defaults(kind, merged(clean, metadata=metadata))


@pytest.mark.parametrize("case", cases("kind_validation"), ids=lambda case: case["name"])
def test_recorded_refusals(case):
    """Reasons, fields and messages are those of Kubernetes 1.36.2, and in the same order."""
    kind = kinds.named(case["kind"])
    if "old" in case:
        problems = validation.validate_update(kind, freeze(case["old"]), freeze(case["object"]))
    else:
        obj = created(kind, case["object"], case["namespace"])
        problems = validation.validate_create(kind, obj)
    assert [[item.reason, item.field, item.message] for item in problems] == case["causes"]


def pod(**spec: object) -> Obj:
    """A pod that is in order but for what is given."""
    whole = {"containers": [{"name": "c", "image": "nginx"}], **spec}
    return created(POD, freeze({"metadata": {"name": "p"}, "spec": whole}))


def texts(problems: list[object]) -> list[str]:
    """The problems as users read them."""
    return [str(problem) for problem in problems]


def test_a_pod_in_order_passes():
    """Nothing is said about a pod in order."""
    assert validation.validate_create(POD, pod()) == []


def test_of_a_pod_only_the_image_changes():
    """The image of a container may change, its command may not, and nothing is added."""
    old = pod()
    image = with_(old, ("spec", "containers", 0, "image"), "nginx:2")
    command = with_(old, ("spec", "containers", 0, "command"), ["x"])
    more = with_(old, ("spec", "containers", 1), {"name": "d", "image": "x"})
    assert validation.validate_update(POD, old, image) == []
    assert texts(validation.validate_update(POD, old, command))[0].startswith(
        "spec: Forbidden: pod updates may not change fields other than"
    )
    assert texts(validation.validate_update(POD, old, more)) == [
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    ]


def test_tolerations_of_a_pod_are_only_added():
    """A toleration may be added; one that is there may not go."""
    old = pod(tolerations=[{"key": "a", "operator": "Exists"}])
    more = with_(old, ("spec", "tolerations", 1), {"key": "b", "operator": "Exists"})
    less = with_(old, ("spec", "tolerations"), [])
    assert validation.validate_update(POD, old, more) == []
    assert validation.validate_update(POD, old, less) != []


def test_a_service_keeps_its_address():
    """An address that was handed out stays."""
    kind = kinds.named("v1/Service")
    ports = [{"port": 80}]
    old = created(kind, freeze({
        "metadata": {"name": "s"},
        "spec": {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ports": ports},
    }))  # fmt: skip
    spec = merged(old["spec"], clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    assert texts(validation.validate_update(kind, old, merged(old, spec=spec))) == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.9"]: may not change once set'
    ]
    left_out = merged(old["spec"], clusterIP=None, clusterIPs=None)
    assert validation.validate_update(kind, old, merged(old, spec=left_out)) == []


def test_no_finalizer_joins_an_object_that_is_going():
    """Once it is being deleted, finalizers may only leave."""
    kind = kinds.named("v1/ConfigMap")
    old = created(kind, freeze({"metadata": {
        "name": "c", "finalizers": ["x.io/a"], "deletionTimestamp": "2026-01-01T00:00:00Z",
    }}))  # fmt: skip
    more = with_(old, ("metadata", "finalizers"), ["x.io/a", "x.io/b"])
    assert texts(validation.validate_update(kind, old, more))[0] == (
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
        'deleted, found new finalizers []string{"x.io/b"}'
    )


def test_a_suspended_job_may_be_moved_but_not_changed():
    """Before it starts, a suspended Job's pods may be placed anew; their image stays."""
    kind = kinds.named("batch/v1/Job")
    spec = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}
    job = {"metadata": {"name": "j"}, "spec": {"suspend": True, "template": {"spec": spec}}}
    old = created(kind, freeze(job))
    moved = with_(old, ("spec", "template", "spec", "nodeSelector"), {"zone": "a"})
    changed = with_(old, ("spec", "template", "spec", "containers", 0, "image"), "y")
    assert validation.validate_update(kind, old, moved) == []
    assert [item.field for item in validation.validate_update(kind, old, changed)] == [
        "spec.template.spec"
    ]


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("*/5 * * * *", ""), ("0 9-17 * * mon-fri", ""), ("@daily", ""), ("@every 1h30m", ""),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("@never", "unrecognized descriptor: @never"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
    ],
)  # fmt: skip
def test_cron_schedules(schedule, problem):
    """Schedules are judged as the cron library judges them."""
    assert cron_words.problem(schedule) == problem


@pytest.mark.parametrize("kind", kinds.ALL, ids=lambda row: f"{row.api_version}/{row.kind}")
def test_an_empty_object_of_any_kind_is_judged(kind):
    """Nothing that lacks everything makes validation stumble."""
    obj = defaults.apply_defaults(kind, freeze({"metadata": {}}))
    assert validation.validate_create(kind, obj)[0].message.startswith("Required value")
    named = freeze({"metadata": {"name": "x", "namespace": "y", "resourceVersion": "1"}})
    assert isinstance(validation.validate_update(kind, named, named), list)
