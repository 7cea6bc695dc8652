"""Manifests that others wrote pass decoding, defaults and validation as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubelab.api import kinds, manifests
from kubelab.apiserver import defaults, schema_check, validation
from kubelab.sim.tree import merged

FOLDER = Path(__file__).parent.parent / "manifests"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_real_manifests_pass(path):
    """Each object is decoded without a word, completed, and found to be in order."""
    found = manifests.load(path.read_text(encoding="utf-8"))
    assert found
    for obj in found:
        kind = kinds.by_kind(obj["apiVersion"], obj["kind"])
        clean, unknown, wrong = schema_check.check(kind, obj)
        assert (unknown, wrong) == ([], None)
        if kind.namespaced:
            clean = merged(clean, metadata={"namespace": "default", **clean["metadata"]})
        whole = defaults.apply_defaults(kind, clean)
        assert validation.validate_create(kind, whole) == []
        assert schema_check.check(kind, whole)[0] is whole
