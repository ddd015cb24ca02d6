"""What is in deploy/ is true: its settings, commands, files, users and ports are those of the project."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance

from clio_dagster.home import PROJECT, render
from clio_dagster.privacy.key import KeyFileError, read_or_make_key
from clio_dagster.settings import Settings, load_settings
from clio_dagster.shared_state import shared_state_problem

DEPLOY = PROJECT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
ONE_MACHINE = yaml.safe_load((DEPLOY / "one-machine" / "compose.yaml").read_text("utf-8"))
VALUES = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text("utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
FILES = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and path.name not in (".env", "key")]

OURS = ("code", "daemon", "ui")
PROGRAMS = {"clio", "dagster", "dagster-daemon", "dagster-webserver", "python", "pg_isready"}
USER = 10001

CHART = {
    "": "global generatePostgresqlPasswordSecret postgresql dagsterWebserver dagsterDaemon dagster-user-deployments "
    "runLauncher computeLogManager concurrency retention telemetry additionalInstanceConfig",
    "postgresql": "enabled postgresqlHost postgresqlUsername postgresqlDatabase service",
    "dagsterWebserver": "image service podSecurityContext securityContext readinessProbe resources",
    "dagsterDaemon": "enabled image podSecurityContext securityContext resources runMonitoring runRetries",
    "concurrency": "enabled pools runs",
    "dagster-user-deployments": "enabled enableSubchart deployments",
}
"""Keys that Dagster's chart knows (helm/dagster/schema and templates of dagster-io/dagster), of those used here."""


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, flags=re.MULTILINE)


def programs() -> list[list[str]]:
    """Every command that a container is told to run, with its arguments."""
    services = [*COMPOSE["services"].values(), *ONE_MACHINE["services"].values()]
    found = [
        service["command"]
        for service in services
        if "command" in service and "entrypoint" not in service and "build" in service
    ]
    checks = [
        service["healthcheck"]["test"][1:] for service in services if "test" in service.get("healthcheck", {})
    ]
    shell = [
        yaml.safe_load(each)
        for each in (*instructions("CMD"), *re.findall(r"^ +CMD (.+)$", DOCKERFILE, re.M))
    ]
    return [each for each in (*found, *checks, *shell) if each]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_settings_that_are_named_exist_and_no_password_or_host_stands_there(path: Path) -> None:
    text = path.read_text("utf-8")
    named = {name.removeprefix("CLIO_").lower() for name in re.findall(r"\bCLIO_[A-Z0-9_]+", text)}
    assert named <= set(Settings.model_fields)
    for user, password in re.findall(r"://([^:/@\s]+):([^@\s]+)@", text):
        assert password.startswith("${"), user
    for image in re.findall(r"^\s*(?:image:|FROM) (\S+)", text, flags=re.MULTILINE):
        assert "." not in image.split("/")[0].split(":")[0], f"{image} names a registry"
        assert not image.endswith(":latest")


def test_what_is_run_is_there(tmp_path: Path) -> None:
    for command in programs():
        assert command[0] in PROGRAMS, command
        for argument in command:
            if argument.startswith("/opt/clio_dagster/"):
                assert (PROJECT / argument.removeprefix("/opt/clio_dagster/")).is_file()
    unit = (DEPLOY / "one-machine" / "clio.service").read_text("utf-8")
    (started,) = re.findall(r"^ExecStart=(.+)$", unit, flags=re.MULTILINE)
    assert shlex.split(started)[-2:] == ["clio", "dev"] or started.endswith("/clio dev")


def test_ports_agree() -> None:
    (place,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text("utf-8"))["load_from"]
    server = place["grpc_server"]
    assert server["host"] in COMPOSE["services"]
    code, ui = (COMPOSE["services"][name] for name in ("code", "ui"))
    (helm,) = VALUES["dagster-user-deployments"]["deployments"]
    assert str(server["port"]) == code["command"][code["command"].index("-p") + 1] == str(helm["port"])
    assert code["healthcheck"]["test"][-1] == str(server["port"])
    listens = ui["command"][ui["command"].index("-p") + 1]
    assert ui["ports"] == [f"127.0.0.1:{listens}:{listens}"] == ONE_MACHINE["services"]["clio"]["ports"]
    assert VALUES["dagsterWebserver"]["readinessProbe"]["httpGet"]["port"] == int(listens)
    assert VALUES["dagsterWebserver"]["service"]["port"] == int(listens)
    assert set(instructions("EXPOSE")[0].split()) == {listens, str(server["port"])}


def test_nobody_is_root_and_nothing_is_open_beyond_this_machine() -> None:
    assert instructions("USER") == [f"{USER}:{USER}"]
    assert "--chown" not in DOCKERFILE, "the code is root's, so that whoever runs it cannot change it"
    for service in (*(COMPOSE["services"][name] for name in OURS), ONE_MACHINE["services"]["clio"]):
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "user" not in service
        assert "healthcheck" in service or service is ONE_MACHINE["services"]["clio"]
    every = [*COMPOSE["services"].values(), *ONE_MACHINE["services"].values()]
    assert all(port.startswith("127.0.0.1:") for service in every for port in service.get("ports", []))
    (code,) = VALUES["dagster-user-deployments"]["deployments"]
    run = VALUES["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["podSpecConfig"]
    for context in (
        VALUES["dagsterWebserver"]["podSecurityContext"],
        VALUES["dagsterDaemon"]["podSecurityContext"],
        code["podSecurityContext"],
        run["securityContext"],
    ):
        assert context["runAsUser"] == context["fsGroup"] == USER
        assert context["runAsNonRoot"]


def test_the_ui_and_the_daemon_get_nothing_that_is_restricted() -> None:
    for name in ("ui", "daemon"):
        service = COMPOSE["services"][name]
        assert set(service["environment"]) == {"CLIO_HISTORY_URL"}
        assert service["volumes"] == ["logs:/var/lib/clio/home/dagster"]
        assert "secrets" not in service
    for part in (VALUES["dagsterWebserver"], VALUES["dagsterDaemon"]):
        assert not {"envSecrets", "volumes", "volumeMounts"} & set(part)


def test_the_parts_share_what_several_machines_need() -> None:
    given = COMPOSE["services"]["code"]["environment"]
    ours = {
        name.removeprefix("CLIO_").lower(): value for name, value in given.items() if name.startswith("CLIO_")
    }
    filled = {name: re.sub(r"\$\{\w+:\?\}", "secret", value) for name, value in ours.items()}
    assert shared_state_problem(load_settings(**filled)) is None
    (code,) = VALUES["dagster-user-deployments"]["deployments"]
    (volume,) = yaml.safe_load_all((DEPLOY / "helm" / "volume.yaml").read_text("utf-8"))
    claims = {
        each["persistentVolumeClaim"]["claimName"]
        for each in code["volumes"]
        if "persistentVolumeClaim" in each
    }
    assert claims == {volume["metadata"]["name"]}
    assert volume["spec"]["accessModes"] == ["ReadWriteMany"]


def test_every_variable_of_compose_has_its_line_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+):\?\}", (DEPLOY / "compose.yaml").read_text("utf-8")))
    example = (DEPLOY / "env.example").read_text("utf-8")
    assert asked == set(re.findall(r"^(\w+)=$", example, flags=re.MULTILINE))
    sql = (DEPLOY / "postgres" / "databases.sql").read_text("utf-8")
    assert set(re.findall(r"getenv \w+ (\w+)", sql)) <= asked


def test_the_chart_is_told_what_dagster_yaml_says() -> None:
    for section, keys in CHART.items():
        assert set(VALUES[section] if section else VALUES) <= set(keys.split())
    ours: dict[str, Any] = yaml.safe_load(render(Path("/var/lib/clio/home")))
    runs, pools = ours["concurrency"]["runs"], ours["concurrency"]["pools"]
    told = VALUES["concurrency"]
    assert told["pools"] == {"granularity": pools["granularity"], "defaultLimit": pools["default_limit"]}
    assert told["runs"] == {
        "maxConcurrentRuns": runs["max_concurrent_runs"],
        "tagConcurrencyLimits": runs["tag_concurrency_limits"],
    }
    assert VALUES["dagsterDaemon"]["runRetries"] == ours["run_retries"]
    assert VALUES["additionalInstanceConfig"] == {name: ours[name] for name in ("freshness", "nux")}
    kept = VALUES["retention"]["sensor"]["purgeAfterDays"]
    assert {**kept, **ours["retention"]["sensor"]["purge_after_days"]} == kept


def test_dagster_takes_what_the_chart_makes_of_the_values(tmp_path: Path) -> None:
    """As its templates render them (helm/dagster/templates/helpers/instance)."""
    runs, pools = (VALUES["concurrency"][each] for each in ("runs", "pools"))
    bucket = VALUES["computeLogManager"]["config"]["s3ComputeLogManager"]
    rendered = {
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": "QueuedRunCoordinator",
            "config": {},
        },
        "concurrency": {
            "pools": {"granularity": pools["granularity"], "default_limit": pools["defaultLimit"]},
            "runs": {
                "max_concurrent_runs": runs["maxConcurrentRuns"],
                "tag_concurrency_limits": runs["tagConcurrencyLimits"],
            },
        },
        "compute_logs": {
            "module": "dagster_aws.s3.compute_log_manager",
            "class": VALUES["computeLogManager"]["type"],
            "config": bucket,
        },
        "telemetry": VALUES["telemetry"],
        **VALUES["additionalInstanceConfig"],
    }
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(rendered), "utf-8")
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        told = instance.get_concurrency_config()
    assert told.run_queue_config and told.run_queue_config.max_concurrent_runs == runs["maxConcurrentRuns"]
    assert told.pool_config.default_pool_limit == pools["defaultLimit"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives a file to another user")
def test_a_key_that_was_mounted_for_this_process_may_be_read_by_its_group(tmp_path: Path) -> None:
    """A secret of Kubernetes is root's, with the pod's fsGroup and mode 440."""
    mounted = tmp_path / "key"
    mounted.write_bytes(bytes(32))
    os.chown(mounted, USER, -1)
    mounted.chmod(0o440)
    assert read_or_make_key(mounted) == bytes(32)
    mounted.chmod(0o444)
    with pytest.raises(KeyFileError):
        read_or_make_key(mounted)


def test_the_image_takes_what_the_project_needs_and_no_more() -> None:
    ignored = (PROJECT / ".dockerignore").read_text("utf-8").splitlines()
    taken = {line[1:] for line in ignored if line.startswith("!")}
    assert ignored[1] == "*"
    assert all((PROJECT / each).exists() for each in taken)
    assert {"dagster.yaml", "workspace.yaml", "constraints.txt", "deploy/workspace.yaml"} <= taken
    (extras,) = re.findall(r"--editable '\.\[([\w,]+)\]'", DOCKERFILE)
    known = re.findall(r"^([\w-]+) = \[", (PROJECT / "pyproject.toml").read_text("utf-8"), flags=re.MULTILINE)
    assert set(extras.split(",")) <= set(known)
