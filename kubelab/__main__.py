"""The command line: `kubelab demo`, `kubelab lab`, `kubelab serve`, `kubelab kubectl`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="kubelab", description="How Kubernetes works inside.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("lab", help="open JupyterLab on the notebooks")
    demo = commands.add_parser("demo", help="tell the whole story in the terminal")
    demo.add_argument("--seed", type=int, default=0)
    serve = commands.add_parser("serve", help="serve the Kubernetes API on loopback")
    serve.add_argument("--nodes", type=int, default=3)
    serve.add_argument("--seed", type=int, default=0)
    serve.add_argument("--port", type=int, default=0)
    serve.add_argument("--dns-port", type=int, help="answer DNS over UDP and TCP on this port")
    serve.add_argument("--kubeconfig", default="kubeconfig")
    serve.add_argument("--etcd", metavar="URL", help="keep the state in a real etcd (etcd://…)")
    pace = serve.add_mutually_exclusive_group()
    pace.add_argument("--speed", default="1", help="virtual seconds a real second, or max")
    pace.add_argument("--paused", action="store_true")
    serve.add_argument(
        "--http", action="store_true", help="plain HTTP, where everybody is the administrator"
    )
    serve.add_argument("files", nargs="*", metavar="FILE", help="manifests to apply first")
    commands.add_parser("kubectl", help="the built-in kubectl, for a cluster that is served")
    given = sys.argv[1:] if argv is None else argv
    if given[:1] == ["kubectl"]:
        # All that follows is kubectl's own command line.
        from kubelab.kubectl import remote

        return remote.main(given[1:])
    arguments = parser.parse_args(given)
    if arguments.command == "lab":
        return _lab()
    if arguments.command == "demo":
        from kubelab import demo as story

        return story.tell(sys.stdout, seed=arguments.seed)
    return _serve(arguments)


def _lab() -> int:
    if find_spec("jupyterlab") is None:
        sys.stderr.write(
            "JupyterLab is not installed; install kubelab with: pip install 'kubelab[lab]'\n"
        )
        return 1
    here = Path(__file__).resolve().parent
    folder = next((f for f in (here / "notebooks", here.parent / "notebooks") if f.is_dir()), None)
    if folder is None:
        sys.stderr.write("the notebooks are not installed beside kubelab\n")
        return 1
    command = [sys.executable, "-m", "jupyterlab", str(folder / "00-tour.ipynb")]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return subprocess.call(command)


def _serve(arguments: argparse.Namespace) -> int:
    from kubelab.api.errors import ApiError
    from kubelab.cluster import Cluster
    from kubelab.serve import wall_clock
    from kubelab.serve_dns import serve_dns

    speed: float | None
    try:
        speed = None if arguments.speed == "max" else float(arguments.speed)
    except ValueError:
        sys.stderr.write(f"--speed {arguments.speed}: give a number or max\n")
        return 2
    try:
        # Clients reckon ages by their own clock, so this cluster's begins where theirs is.
        cluster = Cluster(
            nodes=arguments.nodes,
            seed=arguments.seed,
            store=arguments.etcd,
            epoch=wall_clock(),
        )
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for file in arguments.files:
        try:
            cluster.apply(Path(file))
        except (ApiError, OSError) as error:
            sys.stderr.write(f"error: {file}: {error}\n")
            return 1
    ends: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda which, _: ends.append(which))
    server = cluster.serve(
        arguments.port,
        speed=0 if arguments.paused else speed,
        kubeconfig=arguments.kubeconfig,
        http=arguments.http,
    )
    names = serve_dns(cluster, arguments.dns_port) if arguments.dns_port is not None else None
    sys.stdout.write(f"Kubernetes API: {server.url}\n")
    if names is not None:
        sys.stdout.write(f"DNS: 127.0.0.1:{names.port}\n")
    sys.stdout.flush()
    while not ends:
        signal.pause()
    if names is not None:
        names.stop()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
