from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from spantoll.records import UsageRecord

Cli = Callable[..., Any]
Make = Callable[..., UsageRecord]
Write = Callable[[Sequence[UsageRecord]], None]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_usage_is_a_table_with_the_largest_cost_first(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored(
        [
            record(model="small", cost_nano=1_000, input_tokens=1_234_567),
            record(model="big", cost_nano=12_400_000_000),
        ]
    )

    ran = spantoll("usage", "--by", "model", "--measure", "cost", "--measure", "input_tokens")

    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[:4] == [
        ["model", "cost_usd", "input_tokens"],
        ["big", "$12.40", "-"],
        ["small", "$0.000001000", "1,234,567"],
        ["total", "$12.40", "1,234,567"],
    ]
    assert (ran.status, ran.err) == (0, "")


def test_numbers_are_aligned_right(spantoll: Cli, stored: Write, record: Make) -> None:
    stored([record(model="a", cost_nano=10**9), record(model="b", cost_nano=100 * 10**9)])

    lines = spantoll("usage", "--by", "model", "--measure", "cost").out.splitlines()

    assert {line.rstrip().rfind("$") >= 0 and len(line.rstrip()) for line in lines[1:3]} == {
        len(lines[1].rstrip())
    }


def test_a_lower_bound_is_marked_and_names_what_is_missing(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored(
        [
            record(),
            record(model="new", pricing_status="unpriced", pricing_reason="unknown_model: new"),
        ]
    )

    ran = spantoll("usage", "--by", "provider")

    assert "$2.50+" in ran.out
    assert "cost of 1 call is not known in full" in ran.out
    assert "     1 + openai new: unknown_model: new" in ran.out


def test_an_unpriced_group_is_a_dash_not_zero(spantoll: Cli, stored: Write, record: Make) -> None:
    stored([record(), record(model="new", pricing_status="unpriced")])

    ran = spantoll("usage", "--by", "model", "--measure", "cost")

    assert ["new", "-"] in [line.split() for line in ran.out.splitlines()]


def test_an_unpriced_group_is_empty_in_csv(spantoll: Cli, stored: Write, record: Make) -> None:
    stored([record(), record(model="new", pricing_status="unpriced")])

    found = rows(spantoll("usage", "--by", "model", "--format", "csv").out)

    assert [(r["model"], r["cost_usd"], r["lower_bound"]) for r in found] == [
        ("gpt-4o", "2.500000000", "false"),
        ("new", "", "true"),
    ]


def test_an_unpriced_group_is_null_in_json_and_named(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored([record(), record(model="new", pricing_status="unpriced", pricing_reason="why")])

    answer = json.loads(spantoll("usage", "--by", "model", "--format", "json").out)

    assert [(r["model"], r["cost_usd"]) for r in answer["rows"]] == [
        ("gpt-4o", "2.500000000"),
        ("new", None),
    ]
    assert answer["totals"]["lower_bound"] is True
    assert [(r["model"], r["pricing_reason"]) for r in answer["doubts"]] == [("new", "why")]


def test_a_sum_shows_what_is_estimated_beside_what_is_left_out(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored(
        [
            record(model="a"),
            record(model="b", pricing_status="estimated", pricing_reason="price of 2025"),
            record(model="c", pricing_status="partial", pricing_reason="no price for searches"),
        ]
    )

    ran = spantoll("usage", "--by", "model", "--measure", "cost")

    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[1:5] == [
        ["a", "$2.50"],
        ["b", "~$2.50"],
        ["c", "$2.50+"],
        ["total", "~$7.50+"],
    ]
    assert "~ is estimated in part: ~$2.50 of 1 call; $2.50 is exact." in ran.out
    assert "     1 ~ ~$2.50 openai b: price of 2025" in ran.out
    assert "     1 + $2.50+ openai c: no price for searches" in ran.out


def test_reasons_beyond_the_first_are_counted_and_listed_on_request(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored([record(model=f"m{i:02}", pricing_status="unpriced") for i in range(13)])

    short = spantoll("usage").out
    full = spantoll("usage", "--doubts").out

    assert "and 3 more: add --doubts to see all." in short
    assert "m12" not in short
    assert full.count(": unpriced") == 13
    assert "more:" not in full


def test_records_and_doctor_show_the_doubt_of_a_cost(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored(
        [
            record(model="b", pricing_status="estimated", pricing_reason="price of 2025"),
            record(model="c", pricing_status="partial", pricing_reason="no price for searches"),
        ]
    )

    listed = spantoll("records").out
    findings = json.loads(spantoll("doctor", "--format", "json").out)
    states = [r["cost_state"] for r in json.loads(spantoll("records", "--format", "json").out)]

    assert "~$2.50" in listed
    assert "$2.50+" in listed
    assert states == ["partial", "estimated"]
    assert [
        (each["level"], each["text"].partition(": ")[2])
        for each in findings
        if each["topic"] == "pricing"
    ] == [
        ("problem", "1 calls, unknown tokens partial $2.50+: no price for searches"),
        ("warning", "1 calls, unknown tokens estimated ~$2.50: price of 2025"),
    ]


def test_json_echoes_period_zone_and_window(spantoll: Cli, stored: Write, record: Make) -> None:
    stored([record()])

    ran = spantoll(
        "usage", "--from", "2026-11-01", "--to", "2026-12-01", "--tz", "Europe/Berlin",
        "--window", "day", "--format", "json",
    )  # fmt: skip

    answer = json.loads(ran.out)
    assert (answer["from"], answer["to"]) == (
        "2026-11-01T00:00:00+01:00",
        "2026-12-01T00:00:00+01:00",
    )
    assert (answer["tz"], answer["window"], answer["currency"]) == ("Europe/Berlin", "day", "USD")
    assert answer["rows"][0]["window_start"] == "2026-11-20T00:00:00+01:00"


@pytest.mark.parametrize(
    ("window", "label"),
    [
        ("hour", "2026-11-20 13:00+0100"),
        ("day", "2026-11-20"),
        ("week", "2026-11-16"),
        ("month", "2026-11"),
        ("quarter", "2026-Q4"),
        ("year", "2026"),
    ],
)
def test_windows_are_labelled_by_their_beginning(
    spantoll: Cli, stored: Write, record: Make, window: str, label: str
) -> None:
    stored([record()])

    ran = spantoll("usage", "--window", window, "--tz", "Europe/Berlin")

    assert ran.out.splitlines()[1].startswith(f"{label} ")


def test_where_chooses_and_excludes(spantoll: Cli, stored: Write, record: Make) -> None:
    stored([record(model=m, customer_id=c) for m, c in [("a", "x"), ("b", "x"), ("a", "y")]])

    ran = spantoll("usage", "--by", "model", "--where", "customer=x", "--where", "model!=b",
                   "--format", "csv")  # fmt: skip

    assert [(r["model"], r["requests"]) for r in rows(ran.out)] == [("a", "1")]


def test_sql_in_a_filter_is_only_text(spantoll: Cli, stored: Write, record: Make) -> None:
    stored([record()])

    ran = spantoll("usage", "--where", "model='; DROP TABLE usage_record; --", "--format", "json")

    assert json.loads(ran.out)["totals"]["requests"] == 0
    assert json.loads(spantoll("usage", "--format", "json").out)["totals"]["requests"] == 1


def test_a_limit_says_how_many_rows_there_are(spantoll: Cli, stored: Write, record: Make) -> None:
    stored([record(model=str(i)) for i in range(5)])

    ran = spantoll("usage", "--by", "model", "--limit", "2")

    assert "2 of 5 rows; the total is of all." in ran.out


def test_terminal_escapes_from_spans_are_shown_not_obeyed(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored([record(model="\x1b[2Jgpt\n4o")])

    ran = spantoll("usage", "--by", "model")

    assert "\\x1b[2Jgpt\\n4o" in ran.out
    assert "\x1b" not in ran.out


def test_an_empty_ledger_says_how_to_begin(spantoll: Cli, stored: Write) -> None:
    stored([])

    for command in ("usage", "records", "health"):
        ran = spantoll(command)
        assert (ran.status, ran.out) == (0, "")
        assert "spantoll up" in ran.err


def test_nothing_in_range_says_where_the_data_is(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored([record()])

    ran = spantoll("usage", "--to", "2020-01-01")

    assert ran.out == ""
    assert "newest record is of 2026-11-20 12:00 UTC, openai gpt-4o" in ran.err


@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_empty_answer_is_still_data(spantoll: Cli, stored: Write, form: str) -> None:
    stored([])

    ran = spantoll("records", "--format", form)

    assert ran.err == ""
    assert json.loads(ran.out) == [] if form == "json" else ran.out.startswith("id,tenant_id,")


def test_records_are_listed_newest_first(spantoll: Cli, stored: Write, record: Make) -> None:
    stored([record(model=str(at), started_ns=at) for at in (1, 3, 2)])

    found = json.loads(spantoll("records", "--limit", "2", "--format", "json").out)

    assert [each["started_at"] for each in found] == ["1970-01-01T00:00:00+00:00"] * 2
    assert [each["id"] for each in found] == [2, 3]


def test_records_go_on_where_they_stopped(spantoll: Cli, stored: Write, record: Make) -> None:
    stored([record(started_ns=at) for at in (1, 2, 3)])

    first = spantoll("records", "--limit", "2", "--format", "json")
    cursor = first.err.removeprefix("More: --after ").strip()
    rest = json.loads(spantoll("records", "--after", cursor, "--format", "json").out)

    assert [each["id"] for each in rest] == [1]


def test_records_have_the_names_of_the_columns(spantoll: Cli, stored: Write, record: Make) -> None:
    stored(
        [
            record(
                request_model="gpt-4o",
                response_model="gpt-4o-2024-08-06",
                input_tokens=100,
                cache_read_tokens=30,
                cache_write_tokens=20,
                cache_write_1h_tokens=5,
                output_tokens=10,
                reasoning_tokens=4,
                user_id="u",
                session_id="s",
            )
        ]
    )

    (found,) = json.loads(spantoll("records", "--format", "json").out)

    expected = {
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06",
        "input_tokens": 100,
        "cache_read_tokens": 30,
        "cache_write_tokens": 20,
        "cache_write_1h_tokens": 5,
        "output_tokens": 10,
        "reasoning_tokens": 4,
        "user_id": "u",
        "session_id": "s",
        "status": "success",
        "error_type": None,
        "cost_usd": "2.500000000",
    }
    assert {name: found[name] for name in expected} == expected


def test_what_is_not_counted_is_listed_with_what_it_repeats(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    stored(
        [
            record(model="kept"),
            record(
                model="duplicate",
                counted=False,
                counted_reason="repeats",
                repeats_span=b"\xaa" * 16 + b"\xbb" * 8,
            ),
        ]
    )

    assert "duplicate" not in spantoll("records").out
    listed = spantoll("records", "--all").out
    assert f"repeats {'aa' * 16}/{'bb' * 8}" in listed


def test_health_counts_per_emitter(spantoll: Cli, stored: Write, record: Make) -> None:
    stored(
        [
            record(scope_name="a", scope_version="1", stream=True, usage_quality="missing"),
            record(scope_name="a", scope_version="1", pricing_status="unpriced"),
            record(scope_name="a", scope_version="1", counted=False, repeats_span=b"x" * 24),
            record(scope_name="b", usage_quality="assumed"),
        ]
    )

    found = json.loads(spantoll("health", "--format", "json").out)

    names = ("scope_name", "records", "counted_records", "merged_records", "unpriced_records",
             "assumed_records", "streams_without_usage")  # fmt: skip
    assert [[row[name] for name in names] for row in found] == [
        ["a", 3, 2, 1, 1, 0, 1],
        ["b", 1, 1, 0, 0, 1, 0],
    ]


def test_explain_shows_how_a_record_was_read_counted_and_priced(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    kept = record(model="kept", assumptions='["input includes cached tokens"]', input_tokens=7)
    duplicate = record(
        trace_id=kept.trace_id,
        counted=False,
        counted_reason="repeats",
        repeats_span=kept.trace_id + kept.span_id,
        scope_name="other",
    )
    stored([kept, duplicate])

    text = spantoll("explain", kept.span_id.hex()).out

    assert "- input includes cached tokens" in text
    assert "counted   yes: sole" in text
    assert f"repeated by record 2, trace {duplicate.trace_id.hex()}" in text
    assert "cost      $2.50 (exact)" in text


def test_explain_shows_the_lines_of_revenue(spantoll: Cli, stored: Write, record: Make) -> None:
    stored([])
    spantoll("customers", "set", "acme", "--markup-percent", "30")
    spantoll("customers", "set", "acme", "--discount-percent", "10")
    charged = {"customer_id": "acme", "revenue_nano": 2_925_000_000, "markup_ppm": 300_000}
    stored([record(**charged), record(**{**charged, "revenue_nano": 1})])

    text = spantoll("explain", "1").out
    [explained] = json.loads(spantoll("explain", "1", "--format", "json").out)
    outdated = spantoll("explain", "2").out

    assert "revenue   $2.93" in text or "revenue   $2.92" in text
    assert "= $2.925000000  by row 1: markup 30 %, customer acme" in text
    [line] = explained["revenue_lines"]
    assert (line["metric"], line["revenue_usd"]) == ("*", "2.925000000")
    assert line["discount"].startswith("row 2: discount 10 %")
    assert "charged otherwise than by today's customer prices" in outdated


def test_explain_says_whose_reported_figure_bills(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    figure = {"cost_source": "reported", "reported_cost_source": "gateway"}
    stored([record(reported_cost_nano=2_500_000_000, **figure)])

    text = spantoll("explain", "1").out

    assert "no row: the figure of the gateway bills, not the price list" in text


def test_explain_names_the_record_that_is_repeated(
    spantoll: Cli, stored: Write, record: Make
) -> None:
    kept = record(scope_name="sdk", response_id="r", response_key=5)
    duplicate = record(
        counted=False,
        counted_reason="repeats",
        repeats_span=kept.trace_id + kept.span_id,
        response_key=5,
        usage_quality="partial",
        pricing_status="partial",
        pricing_reason="output_tokens not reported",
        flaws="truncated",
        extra_units='{"web_searches":2}',
        reported_cost_nano=10**9,
        reported_cost_source="gateway",
    )
    stored([kept, duplicate])

    text = spantoll("explain", f"{duplicate.trace_id.hex()}/{duplicate.span_id.hex()}").out

    assert "counted   no: repeats, repeats record 1, scope sdk" in text
    assert "repaired while decoding: truncated" in text
    assert re.search(r"web_searches +2\n", text)
    assert "reported  $1.00 by the gateway" in text
    assert "cost      $2.50+ (partial): output_tokens not reported" in text
    assert "repeated by record 2" in spantoll("explain", "1").out


@pytest.mark.parametrize("form", ["table", "csv"])
def test_health_is_a_table_and_csv_too(
    spantoll: Cli, stored: Write, record: Make, form: str
) -> None:
    stored([record(scope_name="the.scope")])

    ran = spantoll("health", "--format", form)

    assert ran.status == 0
    assert "streams_without_usage" in ran.out
    assert "the.scope" in ran.out


@pytest.mark.parametrize("formula", ["=1+1", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1"])
def test_csv_holds_no_formula(spantoll: Cli, stored: Write, record: Make, formula: str) -> None:
    stored([record(customer_id=formula, reported_cost_nano=-5)])

    [line] = csv.DictReader(io.StringIO(spantoll("records", "--format", "csv").out))

    assert line["customer_id"] == f"'{formula}"
    assert line["reported_cost_usd"].startswith("-0.")


def test_answers_that_name_a_trace_say_where_it_is_looked_at(
    spantoll: Cli, stored: Write, record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANTOLL_TRACE_URL", "jaeger=http://localhost:16686")
    stored([record()])

    [listed] = json.loads(spantoll("records", "--format", "json").out)
    [line] = csv.DictReader(io.StringIO(spantoll("records", "--format", "csv").out))
    text = spantoll("explain", str(listed["id"])).out

    url = f"http://localhost:16686/trace/{listed['trace_id']}?uiFind={listed['span_id']}"
    assert (listed["trace_url"], line["trace_url"]) == (url, url)
    assert url in text


def test_explain_takes_a_whole_trace(spantoll: Cli, stored: Write, record: Make) -> None:
    first = record()
    stored([first, record(trace_id=first.trace_id), record()])

    text = spantoll("explain", first.trace_id.hex(), "--format", "json").out

    assert [each["record"]["id"] for each in json.loads(text)] == [1, 2]


@pytest.mark.parametrize("reference", ["99", "f" * 32, "what", "", "9" * 30])
def test_explaining_what_is_not_there_is_an_error(
    spantoll: Cli, stored: Write, record: Make, reference: str
) -> None:
    stored([record()])

    ran = spantoll("explain", reference)

    assert (ran.status, ran.out) == (2, "")
    assert "record" in ran.err


@pytest.mark.parametrize("command", ["usage", "growth"])
def test_quarters_begin_in_the_month_that_is_set(
    spantoll: Cli, stored: Write, record: Make, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    stored([record()])
    monkeypatch.setenv("SPANTOLL_FISCAL_START", "2")
    period = ("--from", "2026-11-01", "--to", "2026-11-22", "--window", "quarter")

    starts = [
        json.loads(spantoll(command, *period, *given, "-f", "json").out)["rows"][0]["window_start"]
        for given in ((), ("--fiscal-start", "4"))
    ]

    assert [start[:10] for start in starts] == ["2026-11-01", "2026-10-01"]
