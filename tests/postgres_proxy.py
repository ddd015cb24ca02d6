"""A proxy before the tests' PostgreSQL that cuts connections on demand: before a commit, or before its answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.postgres_server import Server

SOCKET = ".s.PGSQL.5432"

Cut = Literal["before", "after"]


@dataclass
class Proxy:
    """The next commits are cut off as `cuts` says, in order; `commits` counts those that were seen."""

    folder: Path
    cuts: list[Cut] = field(default_factory=list)
    commits: int = 0

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://clio@/{database}?host={self.folder}"


@contextmanager
def proxy(server: Server, folder: Path) -> Iterator[Proxy]:
    """A proxy on a socket in a folder of its own, for the block."""
    folder.mkdir()
    made = Proxy(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / SOCKET))
        listening.listen()
        threading.Thread(target=_accept, args=(made, server, listening), daemon=True).start()
        yield made


def _accept(made: Proxy, server: Server, listening: socket.socket) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            behind = socket.socket(socket.AF_UNIX)
            behind.connect(str(server.folder / SOCKET))
            threading.Thread(target=_ask, args=(made, client, behind), daemon=True).start()
            threading.Thread(target=_answer, args=(behind, client), daemon=True).start()


def _ask(made: Proxy, client: socket.socket, behind: socket.socket) -> None:
    """What the client says, to the server; a COMMIT is a simple query of its own."""
    with suppress(OSError):
        while said := client.recv(65536):
            is_commit = b"COMMIT" in said
            made.commits += is_commit
            cut = made.cuts.pop(0) if is_commit and made.cuts else None
            if cut == "after":
                # The client hears nothing of it: its own side is closed before the server is asked.
                client.shutdown(socket.SHUT_RDWR)
            if cut != "before":
                behind.sendall(said)
            if cut:
                break
    for each in (client, behind) if cut == "before" else (client,):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    if cut != "before":
        with suppress(OSError):
            behind.shutdown(socket.SHUT_WR)


def _answer(behind: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while told := behind.recv(65536):
            with suppress(OSError):
                client.sendall(told)
