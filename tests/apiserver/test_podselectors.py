"""Label keys of a pod's terms: folded into the selectors when the pod is created."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import freeze, get
from kubelab.apiserver.podselectors import PREFERRED, REQUIRED, folded

SELECTOR = {"matchLabels": {"app": "web"}}


def pod(**spec: Any) -> Any:
    """A pod with labels app and v."""
    return freeze({"metadata": {"labels": {"app": "web", "v": "1"}}, "spec": spec})


def term(**more: Any) -> dict[str, Any]:
    """An affinity term."""
    return {"topologyKey": "zone", "labelSelector": SELECTOR, **more}


def test_required_terms() -> None:
    """matchLabelKeys become In, mismatchLabelKeys NotIn; a key that the pod lacks is left out."""
    keys = {"matchLabelKeys": ["v", "none"], "mismatchLabelKeys": ["app"]}
    made = folded(pod(affinity={"podAffinity": {REQUIRED: [term(**keys)]}}))
    found = get(made, "spec", "affinity", "podAffinity", REQUIRED, 0)
    assert found == freeze({
        **term(**keys),
        "labelSelector": {
            **SELECTOR,
            "matchExpressions": [
                {"key": "v", "operator": "In", "values": ["1"]},
                {"key": "app", "operator": "NotIn", "values": ["web"]},
            ],
        },
    })  # fmt: skip


def test_preferred_terms_and_constraints() -> None:
    """Preferred terms and spread constraints are treated alike."""
    wish = {"weight": 5, "podAffinityTerm": term(matchLabelKeys=["v"])}
    made = folded(pod(
        affinity={"podAntiAffinity": {PREFERRED: [wish]}},
        topologySpreadConstraints=[term(matchLabelKeys=["v"], maxSkew=1)],
    ))  # fmt: skip
    wish = get(made, "spec", "affinity", "podAntiAffinity", PREFERRED, 0, "podAffinityTerm")
    for found in (wish, get(made, "spec", "topologySpreadConstraints", 0)):
        assert get(found, "labelSelector", "matchExpressions", 0, "values") == freeze(["1"])


def test_no_selector() -> None:
    """A term without a selector matches nothing, and stays so; a pod without keys is untouched."""
    affinity = {"podAffinity": {REQUIRED: [{"topologyKey": "zone", "matchLabelKeys": ["v"]}]}}
    assert folded(pod(affinity=affinity)) == pod(affinity=affinity)
    plain = pod(containers=[])
    assert folded(plain) is plain
