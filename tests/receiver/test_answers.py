from __future__ import annotations

import json

import pytest
from google.rpc import error_details_pb2, status_pb2

from spantoll.errors import (
    BadRequest,
    RecordRejected,
    SchemaMismatch,
    StoreUnavailable,
    TooLarge,
    UnsupportedMedia,
)
from spantoll.receiver.answer import Answer, Overloaded, Verdict, refusal, retry_info, status


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (BadRequest("no protobuf"), Verdict.BAD),
        (TooLarge(64), Verdict.TOO_LARGE),
        (UnsupportedMedia("br"), Verdict.MEDIA),
        (StoreUnavailable("locked"), Verdict.RETRY),
        (Overloaded("full", retry_after_s=3), Verdict.RETRY),
        (SchemaMismatch("older"), Verdict.RETRY),
        (RecordRejected("no such column", [1]), Verdict.RETRY),
        (MemoryError(), Verdict.RETRY),
        (ZeroDivisionError(), Verdict.RETRY),
        (RecursionError(), Verdict.RETRY),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_is_known_to_be_bad_is_refused_for_good(
    error: Exception, verdict: Verdict
) -> None:
    assert refusal(error).verdict is verdict


@pytest.mark.parametrize("verdict", Verdict, ids=lambda verdict: verdict.name)
def test_a_permanent_code_is_never_one_that_senders_retry(verdict: Verdict) -> None:
    retryable_grpc = {1, 4, 10, 11, 14, 15}  # and RESOURCE_EXHAUSTED with RetryInfo only
    retryable_http = {429, 502, 503, 504}

    is_retry = verdict is Verdict.RETRY

    assert (verdict.code in retryable_grpc) is is_retry
    assert (verdict.http in retryable_http) is is_retry


@pytest.mark.parametrize(
    ("delay_s", "header"),
    [(0.0, b"1"), (0.4, b"1"), (1.0, b"1"), (1.2, b"2"), (15.0, b"15")],
    ids=str,
)
def test_retry_after_is_whole_seconds_and_never_none(delay_s: float, header: bytes) -> None:
    assert Answer(Verdict.RETRY, retry_after_s=delay_s).retry_after_header == header


def test_retry_info_carries_the_exact_delay() -> None:
    info = error_details_pb2.RetryInfo.FromString(
        retry_info(Answer(Verdict.RETRY, retry_after_s=2.25))
    )

    assert (info.retry_delay.seconds, info.retry_delay.nanos) == (2, 250_000_000)


def test_a_status_says_the_same_in_both_encodings() -> None:
    answer = Answer(Verdict.BAD, "span_id is all zero")

    binary = status_pb2.Status.FromString(status(answer))
    text = json.loads(status(answer, as_json=True))

    assert (binary.code, binary.message) == (3, "span_id is all zero")
    assert (text["code"], text["message"]) == (3, "span_id is all zero")
    assert text["details"][0]["fieldViolations"] == [
        {"field": "body", "description": "span_id is all zero"}
    ]


def test_a_long_message_is_cut() -> None:
    cut = status_pb2.Status.FromString(status(Answer(Verdict.TOO_LARGE, "x" * 10_000)))

    assert len(cut.message) == 500
    assert cut.message.endswith("...")
