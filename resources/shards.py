"""Large partitions made piece by piece on the site's Ray cluster (docs/ray.md).

A piece is asked for by its place, and read where it is made: conversations never go through Ray. Its tasks are told
nothing that they could quote, and fail by value, with an error that holds no text: what Ray keeps, logs or shows of an
exception is all that it says (P9).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import SecretStr

from clio_dagster.home import environment
from clio_dagster.privacy.silence import quiet
from clio_dagster.settings import Settings, SettingsError
from clio_dagster.shards import OrderedMap, here

P = TypeVar("P")
R = TypeVar("R")

ATTEMPTS = 4
"""Times that a piece is made, in all, whose node or process is lost each time."""


class ShardError(RuntimeError):
    """A piece could not be made. The message holds no text."""


class LostPiece(ShardError):
    """A piece was lost again and again, with its node or its process."""

    def __init__(self, stage: str, partition: str, piece: int, kind: str) -> None:
        super().__init__(
            f"{stage} {partition}: piece {piece} was lost {ATTEMPTS} times with what made it ({kind}): see whether "
            "Ray's nodes live and have memory enough, and ask for the partition again"
        )


@dataclass(frozen=True)
class Failed:
    """What is answered in place of a piece: why it was not made."""

    message: str


def mapping(settings: Settings, stage: str, partition: str, conversations: int) -> OrderedMap:
    """How a partition of so many conversations is made: here, or on the cluster if that is there and it is large."""
    is_apart = settings.executor == "ray" and conversations > settings.shard_conversations
    return OnRay(settings, stage, partition) if is_apart else here


@dataclass(frozen=True)
class OnRay:
    """An OrderedMap over tasks of one core each; no more of them at once than CLIO_SHARDS_IN_FLIGHT.

    A task that is lost with its node or process is made again by Ray, ATTEMPTS times in all. Raises LostPiece after
    that, and ShardError where a piece fails by its own fault.
    """

    settings: Settings
    stage: str
    partition: str

    def __call__(self, make: Callable[[P], R], pieces: Iterable[P]) -> Iterator[R]:
        ray = connected(self.settings)
        task = ray.remote(_made).options(
            name=self.stage,
            num_cpus=1,
            max_retries=ATTEMPTS - 1,
            retry_exceptions=False,
            runtime_env={"env_vars": open_environment(self.settings) | _ONE_CORE},
        )
        waiting: deque[Any] = deque()
        taken = 0
        try:
            for piece in pieces:
                if len(waiting) >= self.settings.shards_in_flight:
                    taken += 1
                    yield self._take(ray, waiting.popleft(), taken)
                waiting.append(task.remote(self.stage, self.partition, make, piece))
            while waiting:
                taken += 1
                yield self._take(ray, waiting.popleft(), taken)
        finally:
            for each in waiting:
                ray.cancel(each, force=True)

    def _take(self, ray: Any, waiting: Any, piece: int) -> Any:
        try:
            made = ray.get(waiting)
        except ray.exceptions.RayError as error:
            raise LostPiece(self.stage, self.partition, piece, type(error).__name__) from None
        if isinstance(made, Failed):
            raise ShardError(made.message)
        return made


_ONE_CORE = {"CLIO_THREADS": "1", "POLARS_MAX_THREADS": "1"}


def _made(stage: str, partition: str, make: Callable[[P], R], piece: P) -> R | Failed:
    """A piece, in a process of the cluster."""
    try:
        with quiet(stage, partition):
            return make(piece)
    except Exception as error:
        return Failed(str(error))


def connected(settings: Settings) -> Any:
    """The module `ray`, connected to the site's cluster. Raises SettingsError where there is none."""
    try:
        import ray
    except ImportError:
        raise missing_extra() from None
    if not ray.is_initialized():
        # Without a bound Ray makes a task again for ever whose process takes too much memory.
        os.environ.setdefault("RAY_task_oom_retries", str(ATTEMPTS - 1))
        address = address_of(settings) or "auto"
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise SettingsError(
                f"CLIO_RAY_ADDRESS: no Ray cluster at {address!r} ({type(error).__name__}): start this machine as one "
                "of its nodes (`ray start --address=HOST:PORT`), and give each the same token"
            ) from None
    return ray


def address_of(settings: Settings) -> str | None:
    """Where the cluster is; None where this machine is a node of it. A step of Ray's own finds it in RAY_ADDRESS."""
    return os.environ.get("RAY_ADDRESS") or settings.ray_address


def open_environment(settings: Settings) -> dict[str, str]:
    """The site's settings as environment variables, for processes on other nodes: all that Ray may show to others.

    What is secret is in no job's description: a node has it in an environment of its own.
    """
    secret = {f"CLIO_{name.upper()}" for name, value in settings if isinstance(value, SecretStr)}
    values = {name: value for name, value in environment(settings).items() if name not in secret}
    home = str(settings.home)
    return values | {"CLIO_HOME": home, "DAGSTER_HOME": home}


def missing_extra() -> SettingsError:
    return SettingsError(
        "CLIO_EXECUTOR=ray needs packages that are not installed: pip install 'clio-dagster[ray]'"
    )
