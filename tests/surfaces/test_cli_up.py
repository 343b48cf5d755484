from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from spantoll.pricing import PriceSet
from spantoll.receiver import Bound
from spantoll.settings import Settings, default_database, load_settings
from spantoll.surfaces.cli import main
from spantoll.surfaces.cli.up_demo import read_settings
from spantoll.surfaces.cli.welcome import welcome

Cli = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]

PRICES = PriceSet("genai-prices", "0.2.3", "0" * 64, 1_000, "2026-11-01")


@pytest.fixture
def start(database: str) -> Iterator[Start]:
    """Start `spantoll up` on free ports; whatever still runs afterwards is killed."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "spantoll", "up", "--database", database, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def greeting(process: subprocess.Popen[str]) -> Mapping[str, str]:
    """What is printed before the last line, by its first word."""
    assert process.stdout
    said: dict[str, str] = {}
    for line in process.stdout:
        topic, _, text = line.strip().partition(" ")
        said[topic] = text.strip()
        if topic == "See":
            break
    return said


def send(url: str, *, provider: str, model: str, span_id: str = "2" * 16) -> int:
    """Send the span of one call; return the HTTP status."""
    span = {
        "traceId": "1" * 32,
        "spanId": span_id,
        "name": f"chat {model}",
        "startTimeUnixNano": "1795176000000000000",
        "endTimeUnixNano": "1795176001000000000",
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.provider.name", "value": {"stringValue": provider}},
            {"key": "gen_ai.request.model", "value": {"stringValue": model}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000"}},
            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "100"}},
        ],
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    request = urllib.request.Request(f"{url}/v1/traces", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(answer.status)


def test_up_prints_where_to_send_and_stops_at_a_signal(start: Start, spantoll: Cli) -> None:
    process = start("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")

    said = greeting(process)
    url = said["OTLP/HTTP"].partition(" ")[0]
    assert send(url, provider="openai", model="gpt-4o") == 200
    with urllib.request.urlopen(f"{url}/api/v1/usage/query", timeout=10) as answer:
        assert json.load(answer)["totals"]["requests"] == 1
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=30) == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", said["OTLP/gRPC"])
    assert said["REST"] == f"{url}/api/v1/openapi.json"
    assert said["Ledger"].endswith("usage.db")
    assert said["Prices"].startswith("genai-prices ")
    assert said["Send"] == f"OTEL_EXPORTER_OTLP_ENDPOINT={url} spantoll run -- python app.py"
    assert json.loads(spantoll("usage", "--format", "json").out)["totals"]["requests"] == 1


def test_up_starts_the_worker_processes_it_is_given(start: Start) -> None:
    process = start("--grpc", "off", "--http", "127.0.0.1:0", "--workers", "2")
    url = greeting(process)["OTLP/HTTP"].partition(" ")[0]

    while "\nspantoll_workers_up 2.0\n" not in (metrics := read_metrics(url)):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)

    assert "\nspantoll_workers_replaced_total 0.0\n" in metrics
    assert process.wait(timeout=30) == 0


def read_metrics(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def test_a_running_receiver_takes_up_prices_that_are_set(start: Start, spantoll: Cli) -> None:
    process = start("--grpc", "off", "--http", "127.0.0.1:0")
    url = greeting(process)["OTLP/HTTP"].partition(" ")[0]
    send(url, provider="acme", model="m")

    spantoll("prices", "set", "acme", "m", "input=2", "output=2")
    assert process.stderr
    heard = next(line for line in process.stderr if "own prices have changed" in line)
    send(url, provider="acme", model="m", span_id="3" * 16)

    records = json.loads(spantoll("records", "--format", "json").out)
    costs = {record["span_id"][0]: record["cost_usd"] for record in records}
    assert "2 rows" in heard
    assert costs == {"2": None, "3": "0.002200000"}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:0", "http://127.0.0.1:9"),
        ("0.0.0.0:0", "http://127.0.0.1:9"),
        (":4317", "http://127.0.0.1:9"),
        ("[::1]:4317", "http://[::1]:9"),
        ("collector.internal:4317", "http://collector.internal:9"),
    ],
)
def test_the_address_shown_is_one_to_send_to(address: str, expected: str) -> None:
    settings = load_settings(grpc=address, http="off")

    lines = list(welcome(settings, Bound(grpc=9, http=None), PRICES))

    assert lines[0] == f"OTLP/gRPC  {expected}"
    assert lines[-1] == "See        spantoll usage --by model"


def test_a_ledger_elsewhere_is_named_without_its_password() -> None:
    settings = load_settings(database="sqlite://user:secret@/x.db")

    text = "\n".join(welcome(settings, Bound(grpc=9, http=9), PRICES))

    assert "--database sqlite://user:***@/x.db" in text
    assert "secret" not in text


def test_up_listens_only_at_the_given_addresses(start: Start) -> None:
    said = greeting(start("--grpc", "127.0.0.1:0", "--http", "off"))

    assert "OTLP/HTTP" not in said
    assert said["Send"].startswith("OTEL_EXPORTER_OTLP_PROTOCOL=grpc ")


@pytest.mark.parametrize(("flags", "status"), [((), 200), (("--no-dashboard",), 404)])
def test_the_first_line_is_what_to_open(start: Start, flags: tuple[str, ...], status: int) -> None:
    process = start("--grpc", "off", "--http", "127.0.0.1:0", *flags)
    assert process.stdout
    topic, url = process.stdout.readline().split()

    try:
        with urllib.request.urlopen(
            f"{url.partition('/api')[0].rstrip('/')}/", timeout=10
        ) as answer:
            found = answer.status
    except urllib.error.HTTPError as error:
        error.close()
        found = error.code

    assert topic == ("REST" if flags else "Dashboard")
    assert found == status


def test_a_dashboard_that_is_not_installed_is_one_line_that_names_the_flag() -> None:
    lines = list(welcome(load_settings(), Bound(grpc=None, http=9), PRICES, dashboard=False))

    assert "spantoll[dashboard]" in lines[0]
    assert "--no-dashboard" in lines[0]


def test_beyond_this_machine_a_key_is_needed_to_send_and_to_ask(
    start: Start, spantoll: Cli
) -> None:
    sender = spantoll("keys", "make", "shop", "--scope", "ingest").out.strip()
    reader = spantoll("keys", "make", "grafana").out.strip()

    said = greeting(start("--grpc", "off", "--http", "0.0.0.0:0"))
    url = said["OTLP/HTTP"].partition(" ")[0]

    def ask(path: str, secret: str, body: bytes | None = None) -> int:
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        try:
            request = urllib.request.Request(f"{url}{path}", body, headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    assert [ask("/api/v1/records", each) for each in (reader, sender, "x")] == [200, 403, 401]
    assert [ask("/v1/traces", each, b"{}") for each in (reader, sender, "x")] == [401, 200, 401]


def test_doctor_finds_a_receiver_that_runs(
    start: Start, spantoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = greeting(start("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"))
    for name in ("HTTP", "gRPC"):
        address = said[f"OTLP/{name}"].partition(" ")[0].removeprefix("http://")
        monkeypatch.setenv(f"SPANTOLL_{name.upper()}", address)

    ran = spantoll("doctor", "--format", "json")

    levels = {each["topic"]: each["level"] for each in json.loads(ran.out)}
    assert ran.status == 0
    assert levels == {
        "sdk": "ok",
        "http": "ok",
        "grpc": "ok",
        "prices": levels["prices"],
        "ledger": "warning",
        "pricing": "ok",
    }


@pytest.mark.parametrize("flag", ["--grpc", "--http"])
def test_a_port_in_use_is_one_line_that_names_the_flag(start: Start, flag: str) -> None:
    other = {"--grpc": "--http", "--http": "--grpc"}[flag]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(flag, f"127.0.0.1:{port}", other, "127.0.0.1:0")
        out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (2, "")
    assert err.count("\n") == 1
    assert flag in err


def test_an_address_that_is_none_is_one_line(start: Start) -> None:
    _, err = (process := start("--grpc", "4317")).communicate(timeout=30)

    assert process.returncode == 2
    assert "HOST:PORT" in err


def test_a_demo_fills_a_ledger_of_its_own_and_removes_it(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "SPANTOLL_FISCAL_START": "4"}
    command = [sys.executable, "-m", "spantoll", "up", "--demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        lines = [process.stdout.readline()]
        while not lines[-1].startswith("Demo "):
            lines.append(process.stdout.readline())
        made = list(tmp_path.glob("spantoll-demo-*/demo.db"))
        url = lines[0].split()[1]
        with urllib.request.urlopen(url, timeout=60) as answer:
            page = answer.read().decode()
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=60)

    assert status == 0
    assert lines[0].startswith("Dashboard  http://127.0.0.1:")
    assert re.search(r"^Demo +1,\d{3} calls of 30 days", lines[-1])
    assert 'id="demo"' in page
    assert ">Fiscal year</a>" in page
    assert "gpt-4o" in page
    assert len(made) == 1
    assert list(tmp_path.glob("spantoll-demo-*")) == []
    assert not Path(default_database()).exists()


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--database", "usage.db"), "--database"),
        (("--forward", "http://jaeger:4318"), "--forward"),
        (("--http", "off"), "--http"),
    ],
)
def test_a_demo_takes_nothing_of_a_real_ledger(
    capfd: pytest.CaptureFixture[str], flags: tuple[str, ...], named: str
) -> None:
    status = main(["up", "--demo", *flags])

    message = capfd.readouterr().err
    assert status == 2
    assert message.count("\n") == 1
    assert named in message


def test_a_demo_has_no_setting_that_leads_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (
        ("DATABASE", "postgresql://db/real"),
        ("FORWARD", "http://jaeger:4318"),
        ("TOKENS", "secret"),
        ("PRICE_SOURCES", "litellm"),
        ("TZ", "Asia/Kolkata"),
    ):
        monkeypatch.setenv(f"SPANTOLL_{name}", value)

    settings = read_settings(tmp_path, None)

    changed = {
        name
        for name, field in Settings.model_fields.items()
        if getattr(settings, name) != field.get_default(call_default_factory=True)
    }
    assert changed == {"database", "grpc", "http", "tz"}
    assert settings.database == f"sqlite:///{tmp_path}/demo.db"
