"""Each refusal is the Status that a real API server sends."""

from __future__ import annotations

import copy
import pickle

import pytest

from kubelab.api import errors, fielderrors, kinds
from kubelab.sim.tree import freeze

POD, DEPLOYMENT = kinds.named("v1/Pod"), kinds.named("apps/v1/Deployment")


def test_not_found_names_the_resource():
    """The details of NotFound name the resource, not the kind."""
    error = errors.not_found(DEPLOYMENT, "none")
    assert error.code == 404
    assert error.status == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": 'deployments.apps "none" not found', "reason": "NotFound",
        "details": {"name": "none", "group": "apps", "kind": "deployments"}, "code": 404,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code", "reason", "message"),
    [
        (errors.already_exists(POD, "p"), 409, "AlreadyExists", 'pods "p" already exists'),
        (
            errors.conflict(DEPLOYMENT, "d"), 409, "Conflict",
            'Operation cannot be fulfilled on deployments.apps "d": the object has been modified; '
            "please apply your changes to the latest version and try again",
        ),
        (
            errors.forbidden(POD, "", 'User "jane" cannot list'), 403, "Forbidden",
            'pods is forbidden: User "jane" cannot list',
        ),
        (
            errors.too_large_resource_version(9, 5), 504, "Timeout",
            "Timeout: Too large resource version: 9, current: 5",
        ),
        (errors.too_old(1, 2345), 410, "Expired", "too old resource version: 1 (2345)"),
        (errors.failure(500, "x"), 500, "", "x"),
    ],
)  # fmt: skip
def test_words_and_codes(error, code, reason, message):
    """Code, reason and message are Kubernetes' own."""
    assert (error.code, error.reason, str(error)) == (code, reason, message)


def test_several_causes_are_told_in_brackets_and_once():
    """Equal causes stand once in the message, but each in the details."""
    cause = fielderrors.required("spec.containers")
    other = fielderrors.wrong("spec.x", 1, "no")
    error = errors.invalid(DEPLOYMENT, "x", [cause, cause, other])
    assert str(error) == (
        'Deployment.apps "x" is invalid: '
        "[spec.containers: Required value, spec.x: Invalid value: 1: no]"
    )
    assert [item["field"] for item in error.status["details"]["causes"]] == [
        "spec.containers", "spec.containers", "spec.x",
    ]  # fmt: skip
    assert error.status["details"]["kind"] == "Deployment"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (fielderrors.wrong("f", "x", "why"), 'Invalid value: "x": why'),
        (fielderrors.wrong("f", None, "why"), "Invalid value: null: why"),
        (fielderrors.wrong("f", freeze({"app": "b"}), "why"), 'Invalid value: {"app":"b"}: why'),
        (fielderrors.unsupported("f", "v", ["a", "b"]),
         'Unsupported value: "v": supported values: "a", "b"'),
        (fielderrors.duplicate("f", "v"), 'Duplicate value: "v"'),
        (fielderrors.missing("f", "v"), 'Not found: "v"'),
        (fielderrors.too_long("f", 4), "Too long: may not be more than 4 bytes"),
        (fielderrors.too_many("f", 3, 2), "Too many: 3: must have at most 2 items"),
        (fielderrors.not_allowed("f", "why"), "Forbidden: why"),
    ],
)  # fmt: skip
def test_words_of_causes(error, message):
    """Values are shown as Go shows them: strings quoted, objects as JSON."""
    assert error.message == message


def test_an_error_survives_copies():
    """An error can be pickled and copied with its Status."""
    error = errors.not_found(POD, "p")
    assert pickle.loads(pickle.dumps(error)).status == error.status
    assert copy.copy(error).code == 404
