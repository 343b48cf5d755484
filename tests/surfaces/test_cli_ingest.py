from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Cli = Callable[..., Any]

START_NS = 1_795_176_000 * 10**9


def protobuf_request(*numbers: int, model: str = "gpt-4o-2024-08-06") -> bytes:
    """A call of 1000 input and 100 output tokens per number, and one span that is no call."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in numbers:
        text = {"operation.name": "chat", "provider.name": "openai", "request.model": model}
        counters = {"usage.input_tokens": 1000, "usage.output_tokens": 100}
        attributes = [
            KeyValue(key=f"gen_ai.{key}", value=AnyValue(string_value=value))
            for key, value in text.items()
        ] + [
            KeyValue(key=f"gen_ai.{key}", value=AnyValue(int_value=value))
            for key, value in counters.items()
        ]
        spans.append(_span(number, f"chat {model}", attributes))
    spans.append(_span(2**40, "GET /", []))
    return request.SerializeToString()


def _span(number: int, name: str, attributes: list[KeyValue]) -> Span:
    return Span(
        trace_id=number.to_bytes(16),
        span_id=number.to_bytes(8),
        name=name,
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=START_NS + number,
        end_time_unix_nano=START_NS + number + 10**9,
        attributes=attributes,
    )


def json_request(number: int) -> str:
    attributes = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.provider.name", "value": {"stringValue": "openai"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "100"}},
    ]
    span = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": str(START_NS),
        "endTimeUnixNano": str(START_NS + 10**9),
        "attributes": attributes,
    }
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"scope": {}, "spans": [span]}]}]})


def sum_column(spantoll: Cli) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(spantoll("usage", "--format", "json").out)["totals"]
    return answer


def test_calls_kept_in_a_file_are_priced_and_stored(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "calls.pb").write_bytes(protobuf_request(1, 2))

    ran = spantoll("ingest", "calls.pb")

    assert (ran.status, ran.out) == (0, "")
    assert "2 records stored, 0 already there, 1 not of model calls, 0 rejected" in ran.err
    # 2 x (1000 x $2.50 + 100 x $10.00) / 1,000,000
    assert sum_column(spantoll)["cost_usd"] == "0.007000000"


def test_doing_it_again_changes_nothing(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "calls.pb").write_bytes(protobuf_request(1, 2))
    spantoll("ingest", "calls.pb")

    ran = spantoll("ingest", "calls.pb", "calls.pb")

    assert "0 records stored, 4 already there" in ran.err
    assert sum_column(spantoll)["requests"] == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("one.json", json_request(1).encode(), id="json"),
        pytest.param(
            "pretty.json", json.dumps(json.loads(json_request(1)), indent=2).encode(), id="pretty"
        ),
        pytest.param("calls.pb.gz", gzip.compress(protobuf_request(1)), id="gzip"),
    ],
)
def test_every_form_is_read(spantoll: Cli, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    spantoll("ingest", name)

    assert sum_column(spantoll)["cost_usd"] == "0.003500000"


def log_request(number: int) -> ExportLogsServiceRequest:
    """An event of Claude Code: 1000 input and 100 output tokens."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.time_unix_nano = START_NS + number
    record.body.string_value = "claude_code.api_request"
    attributes = {"model": "claude-sonnet-4-5", "input_tokens": "1000", "output_tokens": "100"}
    attributes |= {
        "session.id": "s",
        "event.sequence": str(number),
        "request_id": f"req_{number:09}",
    }
    record.attributes.extend(
        KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()
    )
    return request


def test_log_records_kept_in_files_are_read_beside_spans(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "spans.pb").write_bytes(protobuf_request(1))
    (tmp_path / "logs.pb").write_bytes(log_request(1).SerializeToString())
    lines = [MessageToJson(log_request(number), indent=None) for number in (1, 2)]
    (tmp_path / "mixed.jsonl").write_text("\n".join([*lines, json_request(5)]))

    ran = spantoll("ingest", "spans.pb", "logs.pb", "mixed.jsonl")

    assert "4 records stored, 1 already there, 1 not of model calls, 0 rejected" in ran.err
    # 2 x (1000 x $2.50 + 100 x $10.00) and 2 x (1000 x $3.00 + 100 x $15.00), per million.
    assert sum_column(spantoll)["cost_usd"] == "0.016000000"


def test_the_collectors_lines_are_requests(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "traces.jsonl").write_text("".join(f"{json_request(n)}\n" for n in range(1, 8)))

    assert "7 records stored" in spantoll("ingest", "traces.jsonl").err


def test_a_line_that_is_cut_short_costs_only_itself(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "traces.jsonl").write_text(f"{json_request(1)}\n{json_request(2)[:99]}")

    ran = spantoll("ingest", "traces.jsonl")

    assert ran.status == 1
    assert "1 record stored" in ran.err
    assert "not read: traces.jsonl:2: " in ran.err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("missing.pb", None, id="missing"),
        pytest.param("cut.gz", gzip.compress(protobuf_request(1))[:-20], id="cut-gzip"),
        pytest.param("noise.pb", b"\xff" * 50, id="noise"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_read(
    spantoll: Cli, tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "good.pb").write_bytes(protobuf_request(7))

    ran = spantoll("ingest", name, "good.pb")

    assert ran.status == 1
    assert "1 record stored" in ran.err
    assert f"not read: {name}: " in ran.err


def test_what_is_unknown_is_stored_unpriced(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "calls.pb").write_bytes(protobuf_request(1, model="nobody-knows-this-one"))
    spantoll("ingest", "calls.pb")

    answer = sum_column(spantoll)

    assert (answer["requests"], answer["cost_usd"]) == (1, None)
    assert (answer["unpriced_requests"], answer["lower_bound"]) == (1, True)


def test_standard_input_is_a_file(tmp_path: Path, spantoll: Cli, database: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "spantoll", "ingest", "-", "--database", database],
        input=protobuf_request(1),
        capture_output=True,
        timeout=60,
        check=True,
    )

    assert b"1 record stored" in ran.stderr
    assert sum_column(spantoll)["requests"] == 1


def test_the_usual_ledger_is_made_where_the_user_keeps_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from spantoll.surfaces.cli import main

    (tmp_path / "calls.pb").write_bytes(protobuf_request(1))

    assert main(["ingest", "calls.pb"]) == 0
    assert main(["usage"]) == 0
    assert (tmp_path / "data/spantoll/usage.db").exists()
    assert "$0.003500" in capfd.readouterr().out


def test_an_explanation_multiplies_to_the_cost(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "calls.pb").write_bytes(protobuf_request(1))
    spantoll("ingest", "calls.pb")

    (explained,) = json.loads(spantoll("explain", "1", "--format", "json").out)

    assert [(x["metric"], x["quantity"], x["cost_usd"]) for x in explained["lines"]] == [
        ("input", "1000", "0.002500000"),
        ("output", "100", "0.001000000"),
    ]
    assert explained["rate"]["model"] == "gpt-4o"
    text = spantoll("explain", "1").out
    assert "1,000 x $2.5 / 1,000,000 = $0.002500000" in text


def test_answers_name_the_price_set(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "calls.pb").write_bytes(protobuf_request(1))
    spantoll("ingest", "calls.pb")

    (used,) = json.loads(spantoll("usage", "--format", "json").out)["price_sets"]

    assert (used["source"], len(used["price_set"])) == ("catalogue", 64)


def test_doctor_names_what_is_unpriced_and_what_to_do(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "spantoll.toml").write_text('grpc = "off"\nhttp = "off"\n')
    (tmp_path / "calls.pb").write_bytes(protobuf_request(1, 2, model="nobody-knows-this-one"))
    spantoll("ingest", "calls.pb")

    ran = spantoll("doctor")

    assert ran.status == 1
    assert "openai nobody-knows-this-one: 2 calls, 2,200 tokens unpriced" in ran.out
    assert "-> " in ran.out


def test_doctor_is_content_when_all_is_well(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "spantoll.toml").write_text('grpc = "off"\nhttp = "off"\n')
    (tmp_path / "calls.pb").write_bytes(protobuf_request(1))
    spantoll("ingest", "calls.pb")

    ran = spantoll("doctor", "--format", "json")

    findings = json.loads(ran.out)
    assert (ran.status, [f for f in findings if f["level"] == "problem"]) == (0, [])


def test_doctor_reports_an_endpoint_that_does_not_answer(
    spantoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANTOLL_HTTP", "127.0.0.1:1")
    monkeypatch.setenv("SPANTOLL_GRPC", "127.0.0.1:1")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.1")

    ran = spantoll("doctor")

    assert ran.status == 1
    assert ran.out.count("no answer at 127.0.0.1:1") == 2
    assert "OTEL_TRACES_SAMPLER is traceidratio" in ran.out
    assert "there is no ledger" in ran.out
