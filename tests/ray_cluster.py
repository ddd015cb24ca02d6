"""A Ray cluster of the tests' own: a head and further nodes on loopback, one core each, behind a token.

Every node is a process group's leader with all that Ray starts under it, so that it can be stopped, or killed as a
machine that loses its power would be, without asking Ray.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

RAY = Path(sys.executable).with_name("ray")
HEAD = "127.0.0.2"
OBJECT_STORE_BYTES = 200_000_000
HEAD_BYTES, NODE_BYTES = 2**29, 6 * 2**30
"""Memory that steps may reserve: too little on the head for any (resources/executor.STEP_BYTES)."""

START_SECONDS = 90


@dataclass
class Node:
    """One node, and every process of it."""

    process: subprocess.Popen[bytes]

    def works_on(self, *words: str) -> bool:
        """Whether a process of it has one of these words in its title."""
        return any(word in title(each) for each in descendants(self.process.pid) for word in words)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        for found in [self.process.pid, *descendants(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(found, signal.SIGKILL)
        self.process.wait()


@dataclass
class Cluster:
    """Nodes that run: where they are found, what a client's environment needs, and what they leave behind."""

    folder: Path
    environment: dict[str, str]
    port: int
    nodes: list[Node] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{HEAD}:{self.port}"

    @property
    def sessions(self) -> Path:
        """What Ray writes: logs, sockets, spilled objects."""
        return self.folder / "ray"

    def add(self, *, cores: int = 1) -> Node:
        """A further node, with an address of its own."""
        place = f"127.0.0.{len(self.nodes) + 2}"
        node = self._start(
            f"--address={self.address}",
            f"--node-ip-address={place}",
            f"--num-cpus={cores}",
            f"--memory={NODE_BYTES}",
        )
        self._wait(len([each for each in self.nodes if each.process.poll() is None]))
        return node

    def start_head(self, *, cores: int = 1) -> None:
        self._start(
            "--head",
            f"--node-ip-address={HEAD}",
            f"--port={self.port}",
            f"--num-cpus={cores}",
            f"--memory={HEAD_BYTES}",
            f"--dashboard-host={HEAD}",
            f"--dashboard-port={free_port()}",
            f"--ray-client-server-port={free_port()}",
        )
        self._wait(1)

    def _start(self, *arguments: str) -> Node:
        bounds = (f"--object-store-memory={OBJECT_STORE_BYTES}",)
        with (self.folder / f"node-{len(self.nodes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [RAY, "start", "--block", "--disable-usage-stats", f"--temp-dir={self.sessions}", *arguments, *bounds],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        node = Node(process)
        self.nodes.append(node)
        return node

    def _wait(self, nodes: int) -> None:
        """Until so many live."""
        ends = time.monotonic() + START_SECONDS
        asked = (
            "import ray; ray.init(address='auto', log_to_driver=False, configure_logging=False); "
            "print(sum(node['Alive'] for node in ray.nodes()))"
        )
        environment = self.environment | {"RAY_ADDRESS": self.address}
        while time.monotonic() < ends:
            if self.nodes[-1].process.poll() is not None:
                break
            with suppress(subprocess.TimeoutExpired):
                told = subprocess.run(
                    [sys.executable, "-c", asked], env=environment, capture_output=True, timeout=30, text=True
                )
                if told.stdout.strip() == str(nodes):
                    return
            time.sleep(0.5)
        log = self.folder / f"node-{len(self.nodes) - 1}.log"
        raise RuntimeError(f"a node of Ray did not start: {log.read_text('utf-8')[-2000:]}")

    def stop(self) -> None:
        for node in reversed(self.nodes):
            node.kill()


@contextmanager
def ray_cluster(folder: Path, nodes: int = 2, **environment: str) -> Iterator[Cluster]:
    """A cluster for the block, its processes started with this environment beside the tests' own.

    `folder` has a short path: Ray puts sockets below it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAY_", "CLIO_", "DAGSTER_"))
    }
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    # Steps are started as `dagster`, found by the path.
    found = {"PATH": os.pathsep.join((str(RAY.parent), own.get("PATH", os.defpath)))}
    cluster = Cluster(folder, own | found | environment | token, free_port())
    try:
        cluster.start_head()
        for _ in range(nodes - 1):
            cluster.add()
        yield cluster
    finally:
        cluster.stop()


def descendants(process: int) -> list[int]:
    """Every process under one, the deepest last."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(OSError):
                parent = int((path / "stat").read_text("utf-8").rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(path.name))
    found, left = [], [process]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def title(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind((HEAD, 0))
        return int(bound.getsockname()[1])
