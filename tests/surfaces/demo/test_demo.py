from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from spantoll.query import Query, parse_filters, run
from spantoll.query.result import Result
from spantoll.surfaces.demo import DAYS, list_calls
from spantoll.surfaces.demo.calls import DAY_NS, SPIKE_DAY, start_of_demo
from spantoll.surfaces.demo.fill import PRICE_CHANGE_DAY
from tests.surfaces.conftest import DEMO_NOW_NS, DemoServer

FIRST_NS = start_of_demo(DEMO_NOW_NS)


def ask(
    server: DemoServer,
    *measures: str,
    by: Sequence[str] = (),
    where: Sequence[str] = (),
    uncounted: bool = False,
) -> Result:
    query = Query(
        measures=measures, dimensions=by, filters=parse_filters(where), uncounted=uncounted
    )
    return run(server.store.engine, query)


def test_the_calls_of_a_day_are_always_the_same_and_end_now() -> None:
    calls = list_calls(DEMO_NOW_NS)

    assert calls == list_calls(DEMO_NOW_NS)
    assert calls[0].start_ns // DAY_NS == FIRST_NS // DAY_NS == DEMO_NOW_NS // DAY_NS - DAYS + 1
    assert calls[-1].start_ns + calls[-1].duration_ns < DEMO_NOW_NS


def test_every_call_is_stored_and_the_doubled_one_is_counted_once(demo_server: DemoServer) -> None:
    counted = ask(demo_server, "requests").totals.requests
    repeats = ask(demo_server, "requests", where=["counted_reason=nested"], uncounted=True)

    assert counted == demo_server.sent
    assert repeats.totals.requests == 1


@pytest.mark.parametrize(("dimension", "count"), [("provider", 5), ("customer_id", 3), ("team", 4)])
def test_calls_are_split_by_provider_customer_and_team(
    demo_server: DemoServer, dimension: str, count: int
) -> None:
    found = ask(demo_server, "requests", by=[dimension])

    assert len(found.rows) == count
    assert all(row.dimensions[dimension] for row in found.rows)


def test_one_model_has_no_price_and_some_calls_fail(demo_server: DemoServer) -> None:
    unpriced = ask(
        demo_server, "requests", by=["model"], where=["pricing_status=unpriced", "error_type="]
    )
    failed = ask(demo_server, "errors")

    assert [row.dimensions["model"] for row in unpriced.rows] == ["mistral-next-preview"]
    assert failed.totals.measures["errors"] == sum(
        bool(call.error_type) for call in list_calls(DEMO_NOW_NS)
    )


def test_prompts_are_read_from_the_cache(demo_server: DemoServer) -> None:
    cached = ask(demo_server, "cache_read_tokens").totals.measures["cache_read_tokens"]

    assert cached == sum(call.cached_tokens for call in list_calls(DEMO_NOW_NS))
    assert cached


def test_the_negotiated_price_holds_from_the_middle_on(demo_server: DemoServer) -> None:
    change_ns = FIRST_NS + PRICE_CHANGE_DAY * DAY_NS
    gpt_4o = [call for call in list_calls(DEMO_NOW_NS) if call.workload.model == "gpt-4o"]

    # nano-USD per token: list price before, the negotiated one after
    expected = sum(
        (call.input_tokens - call.cached_tokens) * (2_500 if call.start_ns < change_ns else 2_000)
        + call.cached_tokens * (1_250 if call.start_ns < change_ns else 1_000)
        + call.output_tokens * (10_000 if call.start_ns < change_ns else 8_000)
        for call in gpt_4o
    )
    found = ask(demo_server, "cost_usd", where=["model=gpt-4o"]).totals.measures["cost_usd"]

    assert found == Decimal(expected) / 10**9


def test_one_day_stands_out(demo_server: DemoServer) -> None:
    query = Query(measures=["requests"], window="day")
    days = run(demo_server.store.engine, query).rows

    most = max(days, key=lambda row: row.requests)
    assert most.window is not None
    assert (most.window.start_ns - FIRST_NS) // DAY_NS == SPIKE_DAY


def test_customers_are_charged_more_than_the_calls_cost(demo_server: DemoServer) -> None:
    totals = ask(demo_server, "revenue_usd", "margin_usd").totals.measures

    assert totals["revenue_usd"]
    assert totals["margin_usd"]
