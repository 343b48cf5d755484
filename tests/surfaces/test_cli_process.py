from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from spantoll.records import UsageRecord

Make = Callable[..., UsageRecord]
Write = Callable[[Sequence[UsageRecord]], None]

HEAVY = ("pydantic", "sqlalchemy", "typer", "rich", "grpc", "opentelemetry")


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def test_version_loads_no_ledger() -> None:
    code = (
        "import sys; from spantoll.surfaces.cli import main; main(['version']); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )

    ran = python("-c", code)

    assert ran.stdout.splitlines()[1] == "[]"


def test_a_reader_that_leaves_early_is_no_error(stored: Write, record: Make, database: str) -> None:
    stored([record(error_message="x" * 1_000) for _ in range(500)])
    command = f"{sys.executable} -m spantoll records -n 500 --format json --database {database}"

    ran = subprocess.run(
        ["sh", "-c", f"{command} | head -n 1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert ran.stdout == "[\n"
    assert "Traceback" not in ran.stderr
    assert "BrokenPipe" not in ran.stderr


def test_a_pipe_gets_plain_text_in_full_width(stored: Write, record: Make, database: str) -> None:
    stored([record(model="m" * 150, customer_id="c" * 120)])

    ran = python(
        "-m", "spantoll", "usage", "--by", "model", "--by", "customer", "--database", database,
        COLUMNS="40", FORCE_COLOR="", TERM="xterm-256color",
    )  # fmt: skip

    assert f"{'m' * 150}  {'c' * 120}" in ran.stdout
    assert "\x1b" not in ran.stdout


def test_without_the_extra_the_error_names_it() -> None:
    code = (
        "import sys; sys.modules['typer'] = None; "
        "from spantoll.surfaces.cli import main; sys.exit(main(['usage']))"
    )

    ran = python("-c", code)

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1
    assert "pip install 'spantoll[exporter]'" in ran.stderr


def test_chosen_attributes_are_kept_and_grouped_by(database: str, tmp_path: Path) -> None:
    given = {"app.lane": "blue", "app.prompt": "secret words", "gen_ai.request.model": "gpt-4o"}
    given |= {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in given.items()]
    resource = {"attributes": [{"key": "app.zone", "value": {"stringValue": "north"}}]}
    span = {"traceId": "1" * 32, "spanId": "2" * 16, "name": "chat", "startTimeUnixNano": "1"}
    spans = [{"scope": {}, "spans": [span | {"attributes": attributes}]}]
    file = tmp_path / "traces.jsonl"
    file.write_text(json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": spans}]}))
    chosen = {"SPANTOLL_DATABASE": database, "SPANTOLL_KEEP_ATTRIBUTES": "app.*"}

    read = python("-m", "spantoll", "ingest", str(file), **chosen)
    ran = python("-m", "spantoll", "records", "--format", "json", **chosen)

    assert (read.returncode, ran.returncode) == (0, 0)
    (shown,) = json.loads(ran.stdout)
    assert shown["metadata"] == {"app.lane": "blue", "app.zone": "north"}
