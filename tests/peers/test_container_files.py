"""Checks of `compose.yaml` and the `Dockerfile` that need no container engine."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.peers.conftest import EXAMPLES, Peer, SpanToll
from tests.support.ports import free_port

ROOT = EXAMPLES.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())[
    "services"
]


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name}\s+(.+)$", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml"])
def test_the_first_line_states_that_it_was_not_run(file: str) -> None:
    first = (ROOT / file).read_text().partition("\n")[0]

    assert re.match(r"# Not (built|run) where it was written", first)


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (SERVICES["spantoll"]["command"], {}),
        (json.loads(instructions("CMD")[-1]), {"SPANTOLL_TOKENS": "token-of-the-shop"}),
    ],
    ids=["compose", "Dockerfile"],
)
def test_the_command_starts(
    running: Callable[[Peer], None], tmp_path: Path, command: list[str], environment: dict[str, str]
) -> None:
    ports = {"4317": str(free_port()), "4318": str(free_port())}
    words = [re.sub("4317|4318", lambda port: ports[port[0]], word) for word in command]
    receiver = Peer(
        [sys.executable, "-m", "spantoll", *words],
        log=tmp_path / "spantoll.log",
        listens=[f"127.0.0.1:{port}" for port in ports.values()],
        environment={"SPANTOLL_DATABASE": f"sqlite:///{tmp_path}/usage.db", **environment},
    )

    running(receiver)

    assert command[0] == "up"
    assert receiver.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("service", ["collector", "jaeger"])
def test_mounted_configurations_exist_and_use_every_variable(service: str) -> None:
    (mount,) = (v for v in SERVICES[service]["volumes"] if v.startswith("./"))
    host, inside, mode = mount.split(":")

    text = (ROOT / host).read_text()

    assert mode == "ro"
    assert SERVICES[service]["command"] == [f"--config={inside}"]
    known = set(re.findall(r"\$\{env:(\w+)", text))
    assert SERVICES[service]["environment"].keys() <= known


def test_services_connect_to_names_and_ports_that_are_listened_on() -> None:
    collector = SERVICES["collector"]["environment"]
    command = SERVICES["spantoll"]["command"]

    assert collector["SPANTOLL_GRPC"] == "spantoll:4317"
    assert command[command.index("--grpc") + 1] == "0.0.0.0:4317"
    assert command[command.index("--forward") + 1] == "grpc://jaeger:4317"
    assert SERVICES["jaeger"]["environment"]["JAEGER_GRPC"] == "0.0.0.0:4317"


def test_ports_are_published_on_loopback_only_and_images_are_pinned() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    images = [service["image"] for service in SERVICES.values() if "image" in service]

    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert all(re.search(r":\d+\.\d+\.\d+", image) for image in images + instructions("FROM"))


def test_the_image_contains_what_the_package_is_built_from() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {Path(package).parts[0] for package in packages}
    needed |= {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}

    copied = {source for line in instructions("COPY") for source in line.split()[:-1]}
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }

    assert copied == needed == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_runs_unprivileged_and_keeps_its_ledger_in_a_volume() -> None:
    (database,) = re.findall(r"SPANTOLL_DATABASE=sqlite:///(\S+)", DOCKERFILE)

    assert instructions("USER") == ["spantoll"]
    assert [str(Path(database).parent)] == instructions("VOLUME")
    assert SERVICES["spantoll"]["volumes"] == [f"ledger:{Path(database).parent}"]


def test_the_health_check_reports_whether_spantoll_is_up(spantoll: Callable[..., SpanToll]) -> None:
    ledger = spantoll()
    _, option, code = json.loads(re.findall(r"CMD (\[\"python.+\])", DOCKERFILE)[0])
    check = [sys.executable, option, code.replace("127.0.0.1:4318", ledger.http)]

    up = subprocess.run(check, check=False, capture_output=True)
    ledger.end(signal.SIGTERM)
    down = subprocess.run(check, check=False, capture_output=True)

    assert (up.returncode, down.returncode) == (0, 1)
