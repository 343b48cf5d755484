from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import RowMapping, func, select

from spantoll.pipeline import Ledger, make_settle
from spantoll.pricing import Priced, RateCard, load_rate_card
from spantoll.records import UsageRecord, to_call, usage_record
from spantoll.records.build import PRICE_COLUMNS, latency_bucket, price_columns
from spantoll.storage import Store, open_store
from spantoll.storage.tables import rate
from tests.pipeline.calls import call, used
from tests.pipeline.ledgers import empty_store

ID = "chatcmpl-0123456789ab"
OUTER: dict[str, Any] = {"scope_name": "framework", "provider": "openai"}
INNER: dict[str, Any] = {"scope_name": "sdk", "provider": "openai"}


@pytest.fixture(scope="module")
def card() -> RateCard:
    return load_rate_card()


def priced(card: RateCard, record: UsageRecord) -> UsageRecord:
    answer = card.price(to_call(record))
    columns = dict(zip(PRICE_COLUMNS, price_columns(answer), strict=True))
    return record._replace(**columns, priced_ns=1 if type(answer) is Priced else None)  # type: ignore[arg-type]


def rows(store: Store) -> dict[str, RowMapping]:
    with store.engine.connect() as connection:
        found = connection.execute(select(usage_record)).mappings().all()
    return {row["span_id"].decode().rstrip("."): row for row in found}


def written(store: Store, card: RateCard, *batches: list[UsageRecord]) -> dict[str, RowMapping]:
    empty_store(store)
    ledger = Ledger(store, settle=make_settle(card))
    for batch in batches:
        ledger.write([priced(card, record) for record in batch], rates=[])
    return rows(store)


def test_tokens_come_from_the_inner_and_people_from_the_outer_span(
    store: Store, card: RateCard
) -> None:
    outer = call("outer", 0, 10, **OUTER, user_id="ann", team="search", **used(100, 10))
    inner = call(
        "inner", 1, 9, under="outer", **INNER, user_id="sdk", **used(100, 10, cache_read_tokens=60)
    )

    found = written(store, card, [outer, inner])

    assert (found["inner"]["counted"], found["outer"]["counted"]) == (True, False)
    assert (found["inner"]["user_id"], found["inner"]["team"]) == ("ann", "search")
    assert found["inner"]["cache_read_tokens"] == 60
    assert found["outer"]["repeats_span"] == inner.trace_id + inner.span_id


def test_a_stream_reported_by_a_zero_length_span_takes_as_long_as_it_took(
    store: Store, card: RateCard
) -> None:
    request = call("request", 0, 1, under="app", **INNER)
    event = call("event", 9, 9, under="app", **INNER, **used(100, 10))

    found = written(store, card, [request], [event])["event"]

    assert found["counted"]
    assert found["started_ns"] == request.started_ns
    assert found["duration_ns"] == 9 * 10**9
    assert found["latency_bucket"] == latency_bucket(9 * 10**9)


def test_a_call_reported_by_an_event_too_keeps_the_time_of_its_span(
    store: Store, card: RateCard
) -> None:
    span = call("span", 0, 10, **INNER, response_id=ID, **used(100, 10))
    usage = used(100, 10, cache_read_tokens=60)
    event = call("event", 10, 10, under="span", **INNER, response_id=ID, **usage)

    found = written(store, card, [span, event])

    assert (found["span"]["counted"], found["event"]["counted"]) == (True, False)
    assert found["span"]["cache_read_tokens"] == 60
    assert found["span"]["duration_ns"] == 10 * 10**9


def test_what_the_reports_have_together_is_priced_together(store: Store, card: RateCard) -> None:
    outer = call(
        "outer", 0, 10, **OUTER, service_tier="flex", request_model="gpt-5", **used(10**6, 10)
    )
    inner = call(
        "inner",
        1,
        9,
        under="outer",
        **INNER,
        request_model="gpt-5",
        **used(10**6, 10, cache_read_tokens=0),
    )

    alone = written(store, card, [inner])["inner"]
    together = written(store, card, [inner], [outer])["inner"]

    assert together["service_tier"] == "flex"
    assert together["cost_nano"] * 2 == alone["cost_nano"]


def test_a_rate_that_only_the_merge_names_is_stored_with_it(card: RateCard) -> None:
    outer = call(
        "outer", 0, 10, **OUTER, service_tier="flex", request_model="gpt-5", **used(10**6, 10)
    )
    inner = call(
        "inner",
        1,
        9,
        under="outer",
        **INNER,
        request_model="gpt-5",
        **used(10**6, 10, cache_read_tokens=0),
    )
    store = open_store("memory:")

    Ledger(store, settle=make_settle(card)).write(
        [priced(card, outer), priced(card, inner)], rates=[]
    )

    with store.engine.connect() as connection:
        named = connection.scalar(select(usage_record.c.rate_id).where(usage_record.c.counted))
        kept = connection.scalar(select(func.count()).where(rate.c.rate_id == named))
    store.close()
    assert kept == 1


def test_a_late_child_takes_the_bill_from_its_agent(store: Store, card: RateCard) -> None:
    agent = call("agent", 0, 20, role="aggregate", counted=False, **used(300, 30))
    child = call("child", 1, 5, under="agent", **used(300, 30))

    first = written(store, card, [agent])
    both = written(store, card, [agent], [child])

    assert first["agent"]["counted"]
    assert (both["agent"]["counted"], both["child"]["counted"]) == (False, True)


@pytest.mark.parametrize(
    ("models", "priced_as"), [(("gpt-4o", "gpt-4o"), "gpt-4o"), (("gpt-4o", "gpt-4o-mini"), None)]
)
def test_a_crew_whose_agents_have_one_model_is_priced_by_it(
    store: Store, card: RateCard, models: tuple[str, str], priced_as: str | None
) -> None:
    unnamed: dict[str, Any] = {"role": "aggregate", "provider": None, "request_model": None}
    unnamed["response_model"] = None
    crew = call("crew", 0, 10, **unnamed, **used(1000, 100))
    agents = [
        call(f"agent{n}", n, n + 1, under="crew", **unnamed | {"request_model": model})
        for n, model in enumerate(models, 1)
    ]

    found = written(store, card, [crew, *agents])["crew"]

    assert (found["counted"], found["model"]) == (True, priced_as)
    assert found["pricing_status"] == ("estimated" if priced_as else "unpriced")


def test_gateway_and_sdk_in_two_traces_are_one_call(store: Store, card: RateCard) -> None:
    gateway = call("gate", 1, 9, trace="u", scope_name="litellm", response_id=ID, **used(100, 10))
    sdk = call("sdk", 0, 10, response_id=ID, customer_id="acme", **used(100, 10))

    found = written(store, card, [gateway], [sdk])

    assert sum(row["counted"] for row in found.values()) == 1
    counted = next(row for row in found.values() if row["counted"])
    assert counted["customer_id"] == "acme"


@st.composite
def traces(draw: st.DrawFn) -> list[UsageRecord]:
    names = "abcde"[: draw(st.integers(2, 5))]
    return [
        call(
            name,
            start := draw(st.integers(0, 3)),
            start + draw(st.integers(0, 5)),
            under=draw(st.sampled_from(["", *names[:i]])),
            trace=draw(st.sampled_from("tu")),
            role=draw(st.sampled_from(["inference", "inference", "aggregate", "fetch"])),
            scope_name=draw(st.sampled_from(["sdk", "framework"])),
            provider="openai",
            user_id=draw(st.sampled_from([None, "ann", "bob"])),
            response_id=draw(st.sampled_from([None, ID])),
            **draw(st.sampled_from([{}, used(100, 10), used(200, 20)])),
        )
        for i, name in enumerate(names)
    ]


@settings(max_examples=60)
@given(traces(), st.randoms(use_true_random=False))
def test_order_batches_and_redelivery_change_nothing(
    store: Store, card: RateCard, records: list[UsageRecord], rng: random.Random
) -> None:
    shuffled = records.copy()
    rng.shuffle(shuffled)
    cut = rng.randrange(len(records) + 1)
    parts = [shuffled[:cut], shuffled[cut:], shuffled[: cut // 2 + 1]]

    def facts(found: dict[str, RowMapping]) -> dict[str, dict[str, Any]]:
        return {name: {k: v for k, v in row.items() if k != "id"} for name, row in found.items()}

    assert facts(written(store, card, records)) == facts(
        written(store, card, *[part for part in parts if part])
    )
