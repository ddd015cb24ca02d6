"""Starts the code server of `clio dev` again when it has gone.

Dagster starts it once: where the kernel has killed it, which is what happens when memory is short, no sensor looks and
no run begins until somebody presses *Reload* in the UI. This does so.

    python -m resources.code_server URL PARENT

beside `dagster dev`, whose process is PARENT and whose UI is at URL; it ends with it.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Any

LOOK_SECONDS = 5.0

LOOKS_GONE = 2
"""Looks in a row that find it gone before it is started again."""

START_SECONDS = 60.0
"""What it has to come up."""

STATE = """{
  workspaceOrError {
    ... on Workspace {
      locationEntries {
        name
        locationOrLoadError { ... on PythonError { className message causes { message } } }
      }
    }
  }
}"""

RELOAD = """mutation($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) { __typename }
}"""


def watch(url: str, goes_on: Callable[[], bool]) -> None:
    """Look at the UI at `url` as long as `goes_on` says."""
    looks: dict[str, int] = {}
    while goes_on():
        time.sleep(LOOK_SECONDS)
        # The UI is not up yet, or busy.
        with suppress(OSError, ValueError, LookupError, TypeError):
            gone = gone_of(_ask(url, STATE))
            looks = {name: looks.get(name, 0) + 1 for name in gone}
            for name in [name for name, count in looks.items() if count >= LOOKS_GONE]:
                print(
                    f"clio: the code server of {name} has gone: starting it again",
                    file=sys.stderr,
                    flush=True,
                )
                _ask(url, RELOAD, name=name)
                looks[name] = -int(START_SECONDS / LOOK_SECONDS)


def gone_of(answer: dict[str, Any]) -> list[str]:
    """Names of the code locations whose server refuses connections; not of those whose code fails, or that are slow."""
    entries = answer["data"]["workspaceOrError"]["locationEntries"]
    return [entry["name"] for entry in entries if _is_gone(entry["locationOrLoadError"] or {})]


def _is_gone(error: dict[str, Any]) -> bool:
    told = [error.get("message", ""), *(cause["message"] for cause in error.get("causes", ()))]
    return error.get("className") == "DagsterUserCodeUnreachableError" and any(
        "StatusCode.UNAVAILABLE" in text for text in told
    )


def _ask(url: str, query: str, **variables: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{url}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        watch(sys.argv[1], lambda: os.getppid() == int(sys.argv[2]))
