"""Magics for notebooks: `%kubectl`, `%%kubectl`, `%step`, `%run_for`, `%%manifest`.

    %load_ext kubelab
    %kubectl get pods
    %%kubectl apply -f -        the cell is the manifest
    %step 10                    the next ten events, a sentence each
    %run_for 30                 thirty seconds of virtual time
    %%manifest web.yaml         writes the cell to a file; without a name it is applied at once

They act on the cluster named `c`; without one on the newest Cluster among the user's variables.
"""

from __future__ import annotations

import sys
from typing import Any

from kubelab.cluster import Cluster
from kubelab.kubectl import commands
from kubelab.kubectl.errors import KubectlError

NO_CLUSTER = "no cluster here yet; make one with: c = Cluster(nodes=3)"


def newest(variables: dict[str, Any]) -> Cluster:
    """The cluster that a magic acts on. Raises LookupError."""
    held = variables.get("c")
    if isinstance(held, Cluster):
        return held
    clusters = [
        value
        for name, value in variables.items()
        if isinstance(value, Cluster) and not name.startswith("_")
    ]
    if not clusters:
        raise LookupError(NO_CLUSTER)
    return clusters[-1]


def run_kubectl(variables: dict[str, Any], line: str, cell: str | None = None) -> int:
    """Prints what kubectl prints; a failure is text, not a traceback. Returns the exit code."""
    try:
        cluster = newest(variables)
    except LookupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        sys.stdout.write(commands.run(cluster, line, cell or ""))
    except KubectlError as error:
        sys.stdout.write(error.stdout)
        sys.stderr.write(error.stderr)
        return error.code
    return 0


def step(variables: dict[str, Any], line: str) -> None:
    """Handles the next events and tells each in a sentence."""
    cluster = newest(variables)
    text = line.strip() or "1"
    if not text.isdigit():
        sys.stderr.write(f"%step takes a number of events, not {text!r}\n")
        return
    for event in cluster.step(int(text)):
        sys.stdout.write(f"{event.id}  {cluster.tell(event)}\n")


def run_for(variables: dict[str, Any], line: str) -> None:
    """Lets virtual seconds pass."""
    cluster = newest(variables)
    try:
        cluster.run(float(line))
    except ValueError as error:
        sys.stderr.write(f"%run_for takes a number of virtual seconds: {error}\n")
        return
    sys.stdout.write(f"It is {cluster.now:%Y-%m-%d %H:%M:%S} UTC in the cluster.\n")


def manifest(variables: dict[str, Any], line: str, cell: str) -> None:
    """Writes the cell to the file that is named, or applies it."""
    name = line.strip()
    if not name:
        run_kubectl(variables, "apply -f -", cell)
        return
    with open(name, "w", encoding="utf-8") as file:
        file.write(cell)
    sys.stdout.write(f"Wrote {name}.\n")


def load(shell: Any) -> None:
    """Registers the magics with an IPython shell."""
    from IPython.core.magic import (
        Magics,
        cell_magic,
        line_cell_magic,
        line_magic,
        magics_class,
    )

    @magics_class
    class KubelabMagics(Magics):
        """The magics, bound to the user's variables."""

        @line_cell_magic
        def kubectl(self, line: str, cell: str | None = None) -> None:
            """Runs kubectl against the cluster; the cell is its standard input."""
            run_kubectl(shell.user_ns, line, cell)

        @line_magic
        def step(self, line: str) -> None:
            """Handles the next event, or so many, and tells them."""
            step(shell.user_ns, line)

        @line_magic
        def run_for(self, line: str) -> None:
            """Lets so many virtual seconds pass."""
            run_for(shell.user_ns, line)

        @cell_magic
        def manifest(self, line: str, cell: str) -> None:
            """Writes the cell to a file, or applies it."""
            manifest(shell.user_ns, line, cell)

    shell.register_magics(KubelabMagics)
