"""A running `clio dev`, asked over GraphQL as its UI asks."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.scenario import CLIO, Site

LAUNCH = """
mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}"""
BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status creationTime startTime endTime } } }"
RUNS = """
query($filter: RunsFilter) { runsOrError(filter: $filter, limit: 1000) { ... on Runs { results { runId } } } }"""
BACKFILL_STATUS = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status numPartitions runs { runId status } }
  }
}"""
LOGS = """
query($id: ID!) {
  logsForRun(runId: $id) {
    ... on EventConnection {
      events { __typename ... on MessageEvent { message } ... on ErrorEvent { error { message stack } } }
    }
  }
}"""
ASSETS = """
{
  assetNodes {
    assetKey { path } groupName description kinds dependencyKeys { path }
    owners { ... on TeamAssetOwner { team } ... on UserAssetOwner { email } }
    metadataEntries { ... on TableSchemaMetadataEntry { schema { columns { name type description } } } }
    assetChecksOrError {
      ... on AssetChecks { checks { name blocking description partitionDefinition { description } } }
    }
  }
}"""
MATERIALIZED = """
query($asset: AssetKeyInput!, $partitions: [String!]) {
  assetNodeOrError(assetKey: $asset) {
    ... on AssetNode { assetMaterializations(partitions: $partitions) { runId partition } }
  }
}"""
LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }
"""
LOOKS = """
query($sensor: SensorSelector!) {
  sensorOrError(sensorSelector: $sensor) {
    ... on Sensor { sensorState { ticks(limit: 3) { timestamp skipReason } } }
  }
}"""
VERDICTS = """
query($asset: AssetKeyInput!, $check: String!, $partition: String) {
  assetCheckExecutions(assetKey: $asset, checkName: $check, partition: $partition, limit: 1) { status runId }
}"""


@dataclass(frozen=True)
class Server:
    """A running `clio dev` and the calls that its UI makes."""

    site: Site
    process: subprocess.Popen[bytes]
    port: int
    output: Path

    def ask(self, query: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def launch(
        self,
        partition: str,
        assets: Sequence[str] = (),
        checks: Sequence[tuple[str, str]] | None = None,
        job: str = "__ASSET_JOB",
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """What *Materialize* does for one partition: the run's id."""
        selector: dict[str, Any] = {
            "repositoryLocationName": "clio",
            "repositoryName": "__repository__",
            "pipelineName": job,
            "assetSelection": [{"path": [name]} for name in assets],
        }
        if checks is not None:
            selector["assetCheckSelection"] = [
                {"assetKey": {"path": [asset]}, "name": name} for asset, name in checks
            ]
        given = [{"key": key, "value": value} for key, value in (tags or {}).items()]
        tagged = {"tags": [{"key": "dagster/partition", "value": partition}, *given]}
        params = {"selector": selector, "mode": "default", "executionMetadata": tagged}
        launched = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> str:
        """What *Materialize* does for several partitions: the backfill's id."""
        params = {"assetSelection": [{"path": [name]} for name in assets], "partitionNames": partitions}
        launched = self.ask(BACKFILL, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def created(self, run: str) -> float:
        """When the run was asked for, in seconds since the epoch."""
        return float(self.ask(RUN, id=run)["runOrError"]["creationTime"])

    def runs(self) -> list[str]:
        """Ids of all runs, newest first."""
        return [run["runId"] for run in self.ask(RUNS)["runsOrError"]["results"]]

    def unfinished(self) -> list[str]:
        """Ids of the runs that are asked for or at work."""
        statuses = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"]
        found = self.ask(RUNS, filter={"statuses": statuses})["runsOrError"]["results"]
        return [run["runId"] for run in found]

    def has_found_all_fresh(self, since: float) -> bool:
        """Whether a look of the reconcile sensor that began after `since` has found nothing to ask for."""
        return any(reason.endswith("all fresh") for reason in self.looks_that_asked_nothing(since))

    def looks_that_asked_nothing(self, since: float) -> list[str]:
        """Why, of looks of the reconcile sensor that began after `since`: all is fresh, or what is not has to wait."""
        sensor = {
            "repositoryLocationName": "clio",
            "repositoryName": "__repository__",
            "sensorName": "reconcile",
        }
        looks = self.ask(LOOKS, sensor=sensor)["sensorOrError"]["sensorState"]["ticks"]
        return [look["skipReason"] for look in looks if look["timestamp"] > since and look["skipReason"]]

    def ended(self, run: str) -> Any:
        """The run once it has ended."""
        ends = ("SUCCESS", "FAILURE", "CANCELED")
        return self._until(lambda: self.ask(RUN, id=run)["runOrError"], lambda found: found["status"] in ends)

    def backfilled(self, backfill: str, seconds: float = 300) -> Any:
        """The backfill once it has ended."""
        return self._until(
            lambda: self.ask(BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"],
            lambda found: found["status"] not in ("REQUESTED", "CANCELING", "FAILING"),
            seconds,
        )

    def logs(self, run: str) -> Any:
        return self.ask(LOGS, id=run)["logsForRun"]["events"]

    def materializations(self, asset: str, partitions: Sequence[str] | None = None) -> list[tuple[str, str]]:
        """Partition and run of an asset's materializations, newest first."""
        node = self.ask(MATERIALIZED, asset={"path": [asset]}, partitions=partitions)["assetNodeOrError"]
        return [(event["partition"], event["runId"]) for event in node["assetMaterializations"]]

    def verdict(self, check: str, partition: str) -> tuple[str, str]:
        """Status and run of the last execution of one of the tree's checks for a date."""
        asset = {"path": ["audited_summaries"]}
        (last,) = self.ask(VERDICTS, asset=asset, check=check, partition=partition)["assetCheckExecutions"]
        return last["status"], last["runId"]

    def processes(self, command: str) -> set[int]:
        """Those that it started whose command holds the text."""
        listed = subprocess.run(
            ["ps", "-ww", "-eo", "pid=,pgid=,stat=,args="], check=True, capture_output=True, text=True
        )
        rows = [line.split(None, 3) for line in listed.stdout.splitlines()]
        return {
            int(pid)
            for pid, group, state, arguments in rows
            if int(group) == self.process.pid and command in arguments and not state.startswith("Z")
        }

    def has_loaded(self) -> bool:
        """Whether the UI shows the code location, and no error in its place."""
        found = self.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        return [each["locationOrLoadError"]["__typename"] for each in found] == ["RepositoryLocation"]

    def _until(self, look: Callable[[], Any], enough: Callable[[Any], bool], seconds: float = 300) -> Any:
        deadline = time.monotonic() + seconds
        found = look()
        while not enough(found):
            assert time.monotonic() < deadline, f"still {found['status']} after {seconds:.0f} s"
            time.sleep(0.5)
            found = look()
        return found


def start(site: Site, folder: Path) -> Server:
    """`clio dev` started in `folder`, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = site.folder / "dev.log"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [CLIO, "dev", "--port", str(port)],
            env=site.environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(site, process, port, output)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.ask("{ version }")
            return server
        except OSError:
            time.sleep(0.5)
    stop(server)
    raise AssertionError(output.read_text("utf-8"))


def stop(server: Server) -> None:
    """End the server and whatever it started, kindly first."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.process.pid, kind)
            server.process.wait(timeout=30)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
