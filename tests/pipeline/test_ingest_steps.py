from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spantoll.errors import BadRequest, UnsupportedMedia
from spantoll.otlp import Rejected, Span
from spantoll.pipeline import Ingest
from spantoll.pricing import Priced, RateCard, Unpriced, load_rate_card
from spantoll.semconv.call import ModelCall

START_NS = 1_750_000_000_000_000_000
RECEIVED_NS = START_NS + 5_000_000_000


@pytest.fixture(scope="module")
def rate_card() -> RateCard:
    return load_rate_card()


@pytest.fixture
def ingest(rate_card: RateCard) -> Ingest:
    return Ingest(rate_card)


def chat(number: int, *, model: str = "gpt-4o-mini", flaws: tuple[str, ...] = ()) -> Span:
    return Span(
        trace_id=bytes([1] * 16),
        span_id=number.to_bytes(8),
        parent_span_id=None,
        name=f"chat {model}",
        kind=3,
        start_ns=START_NS,
        end_ns=START_NS + 1_000_000,
        status_code=0,
        status_message="",
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
            "gen_ai.response.model": model,
            "gen_ai.usage.input_tokens": 1_000,
            "gen_ai.usage.output_tokens": 500,
        },
        events=(),
        resource={},
        scope_name="opentelemetry.instrumentation.openai_v2",
        scope_version="2.0",
        schema_url="",
        flaws=flaws,
    )


def query(number: int) -> Span:
    return chat(number)._replace(
        name="SELECT", attributes={"db.system.name": "postgresql"}, scope_name="sqlalchemy"
    )


def test_a_span_becomes_a_priced_record(ingest: Ingest) -> None:
    batch = ingest.spans([chat(1)], received_ns=RECEIVED_NS, tenant="acme", source="exporter")

    [record] = batch.records
    assert (record.tenant_id, record.source, record.received_ns) == (
        "acme",
        "exporter",
        RECEIVED_NS,
    )
    assert (record.pricing_status, record.cost_nano) == ("priced", 450_000)
    assert record.rate_id == batch.rates[0].rate_id


def test_spans_that_are_not_genai_are_skipped(ingest: Ingest) -> None:
    batch = ingest.spans([query(1), chat(2), query(3)], received_ns=RECEIVED_NS)

    assert (batch.received, len(batch.records), batch.skipped) == (3, 1, 2)
    assert batch.rejected_count == 0


def test_each_rate_is_named_once_per_batch(ingest: Ingest) -> None:
    spans = [chat(1), chat(2), chat(3, model="gpt-4o"), chat(4, model="nobody-9")]

    batch = ingest.spans(spans, received_ns=RECEIVED_NS)

    named = {record.rate_id for record in batch.records if record.rate_id is not None}
    assert len(batch.rates) == 2
    assert {rate.rate_id for rate in batch.rates} == named


def test_what_was_repaired_while_decoding_is_on_the_record(ingest: Ingest) -> None:
    batch = ingest.spans([chat(1, flaws=("invalid_utf8",))], received_ns=RECEIVED_NS)

    assert batch.records[0].flaws == "invalid_utf8"


class CardWithADefect(RateCard):
    """Breaks the promise of `price` for one span."""

    def price(self, call: ModelCall) -> Priced | Unpriced:
        if call.span_id[-1] == 2:
            raise ZeroDivisionError
        return super().price(call)


def test_a_defect_of_ours_costs_one_span(rate_card: RateCard) -> None:
    defective = object.__new__(CardWithADefect)
    defective.__dict__.update(rate_card.__dict__)

    batch = Ingest(defective).spans([chat(1), chat(2), chat(3)], received_ns=RECEIVED_NS)

    assert [record.span_id[-1] for record in batch.records] == [1, 3]
    assert batch.rejected == [Rejected(1, "cannot be read: ZeroDivisionError")]


def test_every_span_of_a_request_is_accounted_for(ingest: Ingest) -> None:
    export = ExportTraceServiceRequest()
    spans = export.resource_spans.add().scope_spans.add().spans
    for number in range(4):
        span = spans.add(trace_id=bytes([1] * 16), span_id=(number + 1).to_bytes(8))
        span.start_time_unix_nano = span.end_time_unix_nano = START_NS
        if number:
            span.attributes.add(key="gen_ai.request.model").value.string_value = "gpt-4o"
    spans[3].span_id = bytes(8)

    batch = ingest.traces(export.SerializeToString(), received_ns=RECEIVED_NS)

    assert batch.received == 4
    assert (len(batch.records), batch.skipped, batch.rejected_count) == (2, 1, 1)


@pytest.mark.parametrize(
    ("content_type", "error"),
    [("application/x-protobuf", BadRequest), ("text/plain", UnsupportedMedia)],
    ids=["no-protobuf", "no-otlp"],
)
def test_a_request_that_is_none_is_refused(
    ingest: Ingest, content_type: str, error: type[BadRequest]
) -> None:
    with pytest.raises(error):
        ingest.traces(b"\xff\xff", received_ns=RECEIVED_NS, content_type=content_type)
