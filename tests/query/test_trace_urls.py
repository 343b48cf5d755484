from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from spantoll.errors import ConfigurationError
from spantoll.query import TraceUrl
from tests.support.records import make_record

RECORD = make_record(trace_id=bytes(range(16)), span_id=bytes(range(8)))
TRACE, SPAN = "000102030405060708090a0b0c0d0e0f", "0001020304050607"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (
            "jaeger=http://localhost:16686/",
            f"http://localhost:16686/trace/{TRACE}?uiFind={SPAN}",
        ),
        (
            "datadog=https://app.datadoghq.eu",
            f"https://app.datadoghq.eu/apm/trace/{TRACE}?spanID=283686952306183",
        ),
        ("https://t.example/{trace_id}#{span_id}", f"https://t.example/{TRACE}#{SPAN}"),
    ],
)
def test_a_record_knows_where_its_trace_is_looked_at(text: str, url: str) -> None:
    assert TraceUrl(text).format_url(RECORD.trace_id, RECORD.span_id) == url


@pytest.mark.parametrize("preset", ["tempo", "grafana"])
def test_grafana_explores_a_trace(preset: str) -> None:
    url = urlsplit(
        TraceUrl(f"{preset}=http://grafana:3000").format_url(RECORD.trace_id, RECORD.span_id)
    )

    [panes] = parse_qs(url.query)["panes"]
    assert url.path == "/explore"
    assert json.loads(panes)["t"]["queries"][0]["query"] == TRACE


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jeager=http://localhost:16686", "a preset: jaeger, tempo, datadog, grafana"),
        ("localhost:16686/{trace_id}", "no http address"),
        ("http://localhost/{trace}", "{trace} is not known; use {span_id}"),
        ("http://localhost/", "lacks {trace_id}"),
        ("http://localhost/{trace_id", "expected '}'"),
    ],
)
def test_what_is_no_template_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        TraceUrl(text)

    assert says in str(refused.value)
