from __future__ import annotations

from typing import Any

import orjson
import pytest

from spantoll.pricing import Unpriced
from spantoll.records import UsageRecord, to_record
from tests.records.conftest import attribution, model_call


def built(*, tenant: str = "default", flaws: Any = (), **given: Any) -> UsageRecord:
    answer = Unpriced("no_usage", "")
    return to_record(
        model_call(**given), answer, tenant=tenant, source="rest", received_ns=1, flaws=flaws
    )


@pytest.mark.parametrize(
    ("column", "length"),
    [
        ("speed", 16),
        ("service_tier", 32),
        ("scope_version", 32),
        ("region", 64),
        ("deployment", 128),
        ("response_id", 191),
        ("server_address", 254),
        ("error_message", 1024),
    ],
)
def test_long_text_is_cut_to_its_column_and_said_so(column: str, length: int) -> None:
    fits = built(**{column: "é" * length})
    cut = built(**{column: "é" * (length + 1)})

    assert (getattr(fits, column), fits.flaws) == ("é" * length, None)
    assert (getattr(cut, column), cut.flaws) == ("é" * length, "truncated")


@pytest.mark.parametrize(
    ("sent", "stored", "flaw"),
    [
        pytest.param("a\0b", "a\ufffdb", "nul_character", id="nul"),
        pytest.param("a\ud800b", "a\ufffdb", "invalid_utf8", id="lone-surrogate"),
        pytest.param("a😀b", "a😀b", None, id="emoji"),
        pytest.param("x" * 64, "x" * 64, None, id="as-long-as-it-may-be"),
    ],
)
def test_text_no_database_takes_is_repaired_and_noted(
    sent: str, stored: str, flaw: str | None
) -> None:
    record = built(region=sent)

    assert (record.region, record.flaws) == (stored, flaw)


def test_repairs_join_the_flaws_of_decoding_once_each() -> None:
    record = built(region="r" * 65, deployment="d" * 129, flaws=("end_before_start", "truncated"))

    assert record.flaws == "end_before_start,truncated"


def test_more_flaws_than_fit_are_whole_words() -> None:
    flaws = tuple(f"flaw_number_{n}" for n in range(40))

    record = built(region="r" * 65, flaws=flaws)

    assert record.flaws is not None
    assert len(record.flaws) <= 254
    assert set(record.flaws.split(",")) <= {*flaws, "truncated"}


def test_long_tenants_with_one_beginning_stay_apart() -> None:
    one, other = built(tenant="t" * 80 + "1"), built(tenant="t" * 80 + "2")

    assert one.tenant_id != other.tenant_id
    assert {len(one.tenant_id), len(other.tenant_id)} == {64}


def test_metadata_beyond_its_bound_loses_long_values_then_late_keys() -> None:
    metadata = {f"key_{n:03}": "v" * 2_000 for n in range(50)} | {"a": 1}

    record = built(attribution=attribution(metadata=metadata))

    assert record.metadata is not None
    kept = orjson.loads(record.metadata)
    assert len(record.metadata) <= 16_384
    assert kept["a"] == 1
    assert kept["key_000"] == "v" * 1_024
    assert list(kept) == sorted(metadata)[: len(kept)]
    assert record.flaws == "truncated"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param("a\0b", "a\ufffdb", id="nul"),
        pytest.param("\\u0000", "\\u0000", id="the-escape-as-text"),
        pytest.param("\ud800", "\ufffd", id="lone-surrogate"),
        pytest.param(2**64, str(2**64), id="integer-beyond-64-bits"),
        pytest.param(float("nan"), None, id="nan"),
    ],
)
def test_metadata_values_are_what_json_can_hold(sent: object, stored: object) -> None:
    record = built(attribution=attribution(metadata={"key": sent}))

    assert record.metadata is not None
    assert "\\u0000" not in record.metadata.replace("\\\\", "")
    assert orjson.loads(record.metadata) == {"key": stored}


def test_counters_are_kept_as_they_came() -> None:
    usage = model_call().usage._replace(input_tokens=2**63 - 1, cache_read_tokens=2**62)

    record = built(usage=usage)

    assert (record.input_tokens, record.cache_read_tokens) == (2**63 - 1, 2**62)
