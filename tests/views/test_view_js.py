"""The browser's module: its pure functions under node."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kubelab.views import page

HERE = Path(__file__).parent


@pytest.mark.native
def test_pure_functions_under_node(node: str, tmp_path: Path) -> None:
    """`applied`, `difference` and `command` do what the page relies on."""
    module = tmp_path / "view.mjs"
    module.write_text(page.module(), "utf-8")
    done = subprocess.run(
        [node, "--test", str(HERE / "view.test.mjs")],
        env=os.environ | {"VIEW_JS": module.as_uri()},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_module_stands_alone() -> None:
    """The page loads it from a blob: it imports nothing and names no other host."""
    text = page.module()
    assert "import " not in "\n".join(
        line for line in text.splitlines() if not line.startswith("//")
    )
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
