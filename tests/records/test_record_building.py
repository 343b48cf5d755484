from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.pricing import Priced, Unpriced
from spantoll.records import UsageRecord, to_call, to_record, usage_record
from spantoll.records.build import latency_bucket
from spantoll.records.keys import neighbour_keys, response_key, usage_key
from spantoll.semconv.call import Attribution, ModelCall, ReportedCost, Usage
from tests.records.conftest import NOON_NS, attribution, model_call

UNPRICED = Unpriced("unknown_model", "gpt-9")


def built(call: ModelCall, **given: Any) -> UsageRecord:
    arguments: dict[str, Any] = {"tenant": "default", "source": "otlp_trace", "received_ns": 5}
    return to_record(call, given.pop("answer", UNPRICED), **arguments | given)


def test_every_field_of_a_call_reaches_its_column(call: ModelCall, priced: Priced) -> None:
    record = to_record(
        call, priced, tenant="t", source="exporter", received_ns=99, flaws=("invalid_utf8",)
    )

    assert record == UsageRecord(
        tenant_id="t",
        trace_id=bytes(range(1, 17)),
        span_id=bytes(range(21, 29)),
        parent_span_id=bytes(range(31, 39)),
        source="exporter",
        started_ns=NOON_NS,
        duration_ns=1_500_000_000,
        time_to_first_chunk_ns=250_000_000,
        received_ns=99,
        role="inference",
        counted=True,
        counted_reason="sole",
        repeats_span=None,
        operation="chat",
        provider="azure.ai.openai",
        provider_raw="azure_openai",
        provider_instance="billing-account-2",
        model="gpt-4o-2024-08-06",
        request_model="gpt-4o",
        response_model="gpt-4o-2024-08-06",
        response_id="chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        response_key=response_key("t", "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT"),
        usage_key=usage_key(
            call.usage,
            tenant="t",
            trace_id=call.trace_id,
            end_ns=call.end_ns,
            provider=call.provider,
            has_extra=bool(call.usage.extra),
            status=call.status,
            request_model=call.request_model,
        ),
        request_id="req_1",
        server_address="api.openai.com",
        server_port=443,
        deployment="gpt4o-prod",
        deployment_type="global",
        region="eu-west-1",
        service_tier_requested="auto",
        service_tier="flex",
        speed_requested="fast",
        speed="fast",
        data_residency="eu",
        endpoint_scope="regional",
        search_context_size="high",
        batch=True,
        stream=True,
        cache_hit=False,
        finish_reasons="stop,length",
        status="timeout",
        error_type="ReadTimeout",
        error_message="no answer in 30 s",
        customer_id="acme",
        organisation="Acme Ltd",
        project="search",
        workspace_id="w-7",
        team="core",
        user_id="u-1",
        user_email="u@acme.example",
        session_id="s-9",
        purpose="support",
        task_type="summarise",
        channel="web",
        environment="production",
        service_name="shop",
        metadata='{"attempt":2,"beta":true,"region":"north"}',
        input_tokens=101,
        output_tokens=102,
        cache_read_tokens=103,
        cache_write_tokens=104,
        cache_write_1h_tokens=105,
        reasoning_tokens=106,
        input_audio_tokens=107,
        output_audio_tokens=108,
        input_image_tokens=109,
        output_image_tokens=110,
        images=111,
        image_size="1024x1024",
        image_quality="high",
        audio_ms=112,
        video_ms=113,
        characters=114,
        requests=115,
        extra_units='{"pages":"1.5","web_searches":3}',
        usage_quality="exact",
        flaws="invalid_utf8",
        dialect="opentelemetry",
        scope_name="opentelemetry.instrumentation.openai_v2",
        scope_version="2.1b0",
        assumptions='["input_tokens includes cached tokens"]',
        pricing_status="partial",
        pricing_reason="no price for pages",
        cost_nano=11,
        input_cost_nano=12,
        output_cost_nano=13,
        cache_cost_nano=14,
        other_cost_nano=15,
        cost_source="catalogue",
        rate_id=77,
        reported_cost_nano=1_234_567,
        reported_cost_source="gateway",
        catalogue_cost_nano=16,
        priced_ns=99,
        revenue_nano=None,
        markup_ppm=None,
        customer_price_id=None,
        revenue_reason=None,
        latency_bucket=latency_bucket(1_500_000_000),
    )


def test_an_unpriced_call_has_a_reason_and_no_cost(call: ModelCall) -> None:
    record = built(call, answer=Unpriced("unknown_model", "gpt-9"))

    money = [name for name in UsageRecord._fields if "cost_nano" in name]
    assert record.pricing_status == "unpriced"
    assert record.pricing_reason == "unknown_model: gpt-9"
    assert {getattr(record, name) for name in money if name != "reported_cost_nano"} == {None}
    assert (record.rate_id, record.cost_source, record.priced_ns) == (None, None, None)


def test_a_call_of_zero_cost_keeps_its_zero(call: ModelCall) -> None:
    free = Priced("free", 0, 0, 0, 0, 0, "none", None)

    record = built(call, answer=free)

    assert (record.cost_nano, record.pricing_status, record.rate_id) == (0, "free", None)


def test_unknown_stays_none_everywhere() -> None:
    call = model_call(
        usage=Usage(),
        attribution=Attribution(),
        response_model=None,
        response_id=None,
        finish_reasons=(),
        assumptions=(),
        reported_cost=None,
    )

    record = built(call)

    assert record.model == call.request_model
    assert record[UsageRecord._fields.index("input_tokens") :][:11] == (None,) * 11
    assert {record.metadata, record.extra_units, record.finish_reasons, record.assumptions} == {
        None
    }
    assert (record.requests, record.response_key, record.reported_cost_nano) == (1, None, None)


@pytest.mark.parametrize(
    ("role", "counted", "reason"),
    [
        ("inference", True, "sole"),
        ("embedding", True, "sole"),
        ("media", True, "sole"),
        ("aggregate", False, "aggregate"),
        ("tool", False, "tool"),
        ("fetch", False, "fetch"),
    ],
)
def test_counting_starts_from_the_role(role: str, counted: bool, reason: str) -> None:
    record = built(model_call(role=role))

    assert (record.counted, record.counted_reason) == (counted, reason)


@pytest.mark.parametrize(
    ("receiver", "span", "expected"),
    [
        pytest.param("default", None, "default", id="neither"),
        pytest.param("default", "acme", "acme", id="the-span-says"),
        pytest.param("globex", None, "globex", id="the-receiver-knows"),
        pytest.param("globex", "acme", "globex", id="the-receiver-outranks-the-span"),
    ],
)
def test_tenant_is_that_of_the_receiver(receiver: str, span: str | None, expected: str) -> None:
    call = model_call(attribution=attribution(tenant=span))

    assert built(call, tenant=receiver).tenant_id == expected


@pytest.mark.parametrize(
    ("port", "expected"), [(443, 443), (0, None), (-1, None), (65_536, None), (None, None)]
)
def test_a_port_that_cannot_be_is_unknown(port: int | None, expected: int | None) -> None:
    assert built(model_call(server_port=port)).server_port == expected


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        pytest.param("0.001", "USD", 1_000_000, id="usd"),
        pytest.param("0.001", "usd", 1_000_000, id="usd-in-small-letters"),
        pytest.param("0", "USD", 0, id="zero"),
        pytest.param("0.0000000005", "USD", 0, id="half-a-nano-rounds-to-even"),
        pytest.param("0.0000000015", "USD", 2, id="one-and-a-half-nano-rounds-to-even"),
        pytest.param("0.001", "EUR", None, id="another-currency"),
        pytest.param("NaN", "USD", None, id="not-a-number"),
        pytest.param("Infinity", "USD", None, id="infinite"),
        pytest.param("9223372036.854775807", "USD", 2**63 - 1, id="the-most-a-column-takes"),
        pytest.param("1E+400", "USD", None, id="more-than-a-column-takes"),
    ],
)
def test_reported_cost_is_nano_usd_or_unknown(
    amount: str, currency: str, expected: int | None
) -> None:
    reported = ReportedCost(Decimal(amount), currency, "provider")

    record = built(model_call(reported_cost=reported))

    assert record.reported_cost_nano == expected
    assert record.reported_cost_source == "provider"


@pytest.mark.parametrize("flaw", ["end_before_start", "start_missing", "time_out_of_range"])
def test_how_long_a_call_took_is_not_known_where_its_times_are_wrong(
    call: ModelCall, flaw: str
) -> None:
    record = built(call, flaws=("invalid_utf8", flaw))

    assert (record.duration_ns, record.latency_bucket) == (None, None)
    assert built(call, flaws=("invalid_utf8",)).duration_ns == 1_500_000_000


def test_only_a_call_has_a_usage_key(call: ModelCall) -> None:
    assert built(call).usage_key is not None
    assert built(call._replace(role="aggregate")).usage_key is None


def test_usage_keys_agree_where_one_report_leaves_the_cached_tokens_out(call: ModelCall) -> None:
    usage = Usage(100, 10, cache_read_tokens=60, cache_write_tokens=20)
    sdk = call._replace(provider="anthropic", usage=usage)
    passing_on = call._replace(provider=None, usage=Usage(20, 10))

    assert built(sdk).usage_key == built(passing_on).usage_key


def test_a_usage_key_is_of_a_tenant_an_input_and_a_slice_of_two_seconds(call: ModelCall) -> None:
    outer, inner = call._replace(response_id=None), call
    event = outer._replace(start_ns=outer.end_ns)
    aborted = outer._replace(usage=outer.usage._replace(output_tokens=None))
    later = inner._replace(end_ns=inner.end_ns + 2 * 10**9)
    more = inner._replace(usage=inner.usage._replace(input_tokens=1_003))

    key = built(outer).usage_key

    assert built(inner).usage_key == built(event).usage_key == built(aborted).usage_key == key
    assert key not in [built(each).usage_key for each in (later, more)]
    assert built(inner, tenant="t2").usage_key != key
    assert neighbour_keys(key or 0, 1)[2] == built(later).usage_key
    assert (built(later).usage_key or 0) > (key or 0) > 0


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(Usage(100), id="embedding"),
        pytest.param(Usage(None, 10), id="output"),
        pytest.param(Usage(images=2), id="images"),
        pytest.param(Usage(extra={"search_units": 1}), id="other-units"),
    ],
)
def test_every_usage_has_a_key_of_its_own_in_all_traces(call: ModelCall, usage: Usage) -> None:
    one, other = call._replace(usage=usage), call._replace(usage=usage, trace_id=b"o" * 16)

    assert built(one).usage_key == built(other).usage_key
    assert built(one).usage_key != built(call._replace(usage=Usage(7, 7))).usage_key


def test_calls_without_usage_share_a_key_in_one_trace_only(call: ModelCall) -> None:
    silent = call._replace(usage=Usage())

    assert built(silent).usage_key == built(silent._replace(span_id=b"o" * 8)).usage_key
    assert built(silent).usage_key != built(silent._replace(trace_id=b"o" * 16)).usage_key
    assert built(silent).usage_key != built(silent._replace(status="error")).usage_key


def test_a_response_key_is_signed_and_of_one_tenant() -> None:
    keys = {response_key(tenant, "msg_01XFDUDYJgAACzvnptvVoYEL") for tenant in "abcdefgh"}

    assert len(keys) == 8
    assert all(key is not None and -(2**63) <= key < 2**63 for key in keys)


@pytest.mark.parametrize("response_id", [None, "", "chatcmpl-0", "chatcmpl-998"])
def test_an_id_too_short_to_mean_one_response_has_no_key(response_id: str | None) -> None:
    assert response_key("default", response_id) is None


@pytest.mark.parametrize(
    ("duration_ns", "bucket"),
    [(0, 0), (999_999, 0), (1_000_000, 0), (1_000_001, 1), (1_040_000, 1), (1_040_001, 2)],
)
def test_latency_buckets_grow_by_four_percent(duration_ns: int, bucket: int) -> None:
    assert latency_bucket(duration_ns) == bucket


@given(st.integers(min_value=1_000_000, max_value=2**63 - 1))
def test_a_latency_bucket_gives_the_duration_within_four_percent(duration_ns: int) -> None:
    bucket = latency_bucket(duration_ns)

    upper_ms = 1.04**bucket
    assert duration_ns / 1e6 <= upper_ms * (1 + 1e-9)
    assert duration_ns / 1e6 >= upper_ms / 1.04 * (1 - 1e-9)
    assert math.isfinite(upper_ms)
    assert bucket < 2**15


def test_a_record_is_read_back_as_the_call_it_was_made_of(call: ModelCall) -> None:
    again = to_call(built(call, tenant="t"))

    assert again == call._replace(attribution=attribution(tenant="t"))


def test_a_call_without_anything_optional_is_read_back() -> None:
    call = model_call(
        usage=Usage(),
        attribution=Attribution(tenant="default"),
        finish_reasons=(),
        assumptions=(),
        reported_cost=None,
    )

    assert to_call(built(call)) == call


texts = st.text(st.characters(), max_size=80) | st.text("a\0\ud800é😀", max_size=1200)
counts = st.none() | st.integers(min_value=0, max_value=2**63 - 1)
ATTRIBUTION = Attribution._fields[:-1]
COUNTERS = Usage._fields[:-2]
FREE_TEXT = ["provider", "request_model", "response_model", "response_id", "error_message", "speed"]
FREE_TEXT += ["service_tier", "region", "deployment", "image_size", "request_id"]
units = st.dictionaries(texts, st.integers(-(2**70), 2**70) | st.decimals(), max_size=4)
metadata = st.dictionaries(
    texts, texts | st.integers(-(2**70), 2**70) | st.floats() | st.booleans(), max_size=6
)


@given(st.data())
def test_every_call_becomes_a_record_that_fits_its_columns(data: st.DataObject) -> None:
    attribution = data.draw(st.fixed_dictionaries(dict.fromkeys(ATTRIBUTION, st.none() | texts)))
    usage: dict[str, Any] = data.draw(st.fixed_dictionaries(dict.fromkeys(COUNTERS, counts)))
    call = model_call(
        usage=Usage(**usage, extra=data.draw(units)),
        attribution=Attribution(**attribution, metadata=data.draw(metadata)),
        **data.draw(st.fixed_dictionaries(dict.fromkeys(FREE_TEXT, st.none() | texts))),
    )

    record = built(call, tenant=data.draw(texts.filter(bool)))

    for name, value in record._asdict().items():
        length = getattr(usage_record.c[name].type, "length", None)
        if isinstance(value, str):
            assert value.encode().decode() == value
            assert "\0" not in value
            assert "\\u0000" not in value.replace("\\\\", "")
            assert length is None or len(value) <= length
    assert {name: getattr(record, name) for name in COUNTERS} == usage
    assert to_call(record).usage[: len(COUNTERS)] == call.usage[: len(COUNTERS)]
