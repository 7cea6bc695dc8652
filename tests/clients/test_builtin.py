"""The same working day with the built-in kubectl, in the process, where no binary can start."""

from __future__ import annotations

import pytest

from kubelab import Cluster
from kubelab.kubectl.commands import execute
from tests.clients.tale import FILES, TALE
from tests.clients.test_kubectl import words

pytestmark = pytest.mark.slow


def test_the_builtin_kubectl_does_the_same_work(tmp_path):
    """Every command of the tale ends and speaks as the real one's does."""
    for name, text in FILES.items():
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
    cluster = Cluster(nodes=2)
    cluster.settle()
    failed = []
    for text, code, said in TALE:
        ended, out, err = execute(cluster, words(text, tmp_path), "", "")
        # Beside a real process time passes; here it is given between the commands.
        cluster.run(1)
        if ended != code or said not in out + err:
            failed.append(f"kubectl {text}\n  {ended}: {(out + err)[-300:]}")
    assert not failed, "\n".join(failed)
