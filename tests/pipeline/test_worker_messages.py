"""What passes between a receiver and its worker processes, and what a worker makes of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.errors import BadRequest, StoreUnavailable, TooLarge, UnsupportedMedia
from spantoll.otlp import PROTOBUF, Rejected
from spantoll.pipeline import Batch, Ingest
from spantoll.pipeline.packing import (
    LENGTH,
    Job,
    Prices,
    pack_batch,
    pack_error,
    pack_job,
    pack_prices,
    unpack_batch,
    unpack_order,
)
from spantoll.pipeline.worker import answer_orders
from spantoll.pricing import Rate, RateCard, UnitPrice, load_rate_card
from tests.receiver.conftest import START_NS, chat, plain, request

BODY = request(chat(1), plain(2), chat(3, gen_ai__response__model="gpt-4o")).SerializeToString()


@pytest.fixture(scope="module")
def card() -> RateCard:
    return load_rate_card()


def make_job(body: bytes = BODY, *, signal: str = "traces", content_type: str = PROTOBUF) -> Job:
    return Job(signal, body, START_NS, content_type, "default")


def answers(messages: Sequence[bytes], *, cut_bytes: int = 0) -> list[bytes]:
    """What a worker answers to these messages, the last of them cut short."""
    sent = b"".join(LENGTH.pack(len(message)) + message for message in messages)
    answered: list[bytes] = []
    answer_orders(io.BytesIO(sent[: len(sent) - cut_bytes]), answered.append)
    return [answer[LENGTH.size :] for answer in answered]


text = st.text(max_size=20)
units = st.builds(
    UnitPrice, text, st.decimals(allow_nan=False, allow_infinity=False), st.integers(1), text, text
)
rates = st.builds(
    Rate,
    *(st.integers(0, 2**63 - 1), text, text, text, st.lists(units, max_size=3).map(tuple)),
    *(text, text, text, text),
)


@given(
    st.lists(rates, max_size=3),
    st.lists(st.builds(Rejected, st.integers(0, 2**40), text), max_size=3),
    st.integers(0, 2**40),
    text,
)
def test_a_batch_stays_as_it_is_on_its_way(
    rates: list[Rate], rejected: list[Rejected], received: int, warning: str
) -> None:
    batch = Batch([], tuple(rates), received, 3, rejected, warning)

    assert unpack_batch(pack_batch(batch)) == batch


def test_a_price_keeps_its_digits_on_its_way(card: RateCard) -> None:
    unit = UnitPrice("input", Decimal("2.50"), 1_000_000)
    rate = Rate(1, "openai", "gpt-4o", "", (unit,), "", "", "user", "0" * 64)

    unpacked = unpack_batch(pack_batch(Batch([], [rate], 1, 0, []))).rates[0]

    assert repr(unpacked) == repr(rate)


def test_a_worker_answers_with_what_the_receiver_would_have_decoded(card: RateCard) -> None:
    prices = pack_prices(Prices(card, ""))

    adopted, answer = answers([prices, pack_job(make_job())])

    assert adopted == b""
    expected = Ingest(card).traces(BODY, received_ns=START_NS)
    assert [record.pricing_status for record in expected.records] == ["priced", "priced"]
    assert unpack_batch(answer) == expected


@pytest.mark.parametrize(
    ("job", "error"),
    [
        (make_job(b"\xff"), BadRequest),
        (make_job(content_type="text/plain"), UnsupportedMedia),
        (make_job(signal="profiles"), StoreUnavailable),
    ],
    ids=["unreadable", "unknown media type", "unexpected"],
)
def test_an_error_of_a_worker_is_the_one_the_receiver_would_have_raised(
    card: RateCard, job: Job, error: type[Exception]
) -> None:
    _, answer = answers([pack_prices(Prices(card, "")), pack_job(job)])

    with pytest.raises(error):
        unpack_batch(answer)


def test_an_error_without_a_permanent_code_may_be_sent_again() -> None:
    with pytest.raises(StoreUnavailable, match="unexpected TooLarge"):
        unpack_batch(pack_error(TooLarge(5)))


def test_a_worker_without_prices_decodes_nothing() -> None:
    (answer,) = answers([pack_job(make_job())])

    with pytest.raises(StoreUnavailable):
        unpack_batch(answer)


@pytest.mark.parametrize("cut_bytes", [1, len(pack_job(make_job())), len(pack_job(make_job())) + 2])
def test_a_worker_ends_where_the_receiver_ended_within_a_message(
    card: RateCard, cut_bytes: int
) -> None:
    messages = [pack_prices(Prices(card, "")), pack_job(make_job())]

    assert answers(messages, cut_bytes=cut_bytes) == [b""]


def test_prices_are_the_same_in_another_process(card: RateCard) -> None:
    order = unpack_order(pack_prices(Prices(card, "app.*")))

    assert isinstance(order, Prices)
    assert order.attributes == "app.*"
    assert order.card.fingerprint == card.fingerprint
