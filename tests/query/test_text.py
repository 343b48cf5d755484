from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from spantoll.errors import QueryError
from spantoll.query import Filter, Query, RecordQuery, parse_filters, parse_query

NOW_NS = 1_795_176_000 * 10**9


def test_words_become_a_query() -> None:
    query = parse_query(
        measure=["cost"],
        by=["customer"],
        where=["provider=openai"],
        last="7d",
        window="day",
        tz="Europe/Berlin",
        order=["-cost"],
        limit=5,
        now_ns=NOW_NS,
    )

    assert query == Query(
        measures=["cost_usd"],
        dimensions=["customer_id"],
        filters=[Filter("provider", ("openai",))],
        start_ns=NOW_NS - 7 * 86_400 * 10**9,
        end_ns=NOW_NS,
        window="day",
        tz="Europe/Berlin",
        order=["-cost_usd"],
        limit=5,
    )


def test_nothing_said_is_everything() -> None:
    assert parse_query(now_ns=NOW_NS) == Query()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param(["model=a"], [Filter("model", ("a",))], id="one"),
        pytest.param(["model=a", "model=b"], [Filter("model", ("a", "b"))], id="either"),
        pytest.param(["model!=a", "model!=b"], [Filter("model", ("a", "b"), True)], id="neither"),
        pytest.param(["user="], [Filter("user_id", (None,))], id="unknown"),
        pytest.param(["user!="], [Filter("user_id", (None,), True)], id="known"),
        pytest.param(["model=a=b"], [Filter("model", ("a=b",))], id="sign-in-value"),
        pytest.param(
            ["model^=gpt-4", "model^=o"],
            [Filter("model", ("gpt-4", "o"), operator="^=")],
            id="prefix",
        ),
        pytest.param(["model!^=a"], [Filter("model", ("a",), True, "^=")], id="no-prefix"),
        pytest.param(
            ["cost_usd>=0.1", "cost_usd<2"],
            [
                Filter("cost_usd", ("0.1",), operator=">="),
                Filter("cost_usd", ("2",), operator="<"),
            ],
            id="range",
        ),
        pytest.param(["attr.k=v"], [Filter("attr.k", ("v",))], id="attribute"),
    ],
)
def test_filters_are_read(texts: list[str], expected: list[Filter]) -> None:
    assert list(parse_filters(texts)) == expected


@pytest.mark.parametrize("text", ["model", "=x", "!=x", "modle=x"])
def test_a_filter_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="filter"):
        parse_filters([text])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"week_start": "sunday"}, {"week_start": 6}),
        ({"week_start": "Sat"}, {"week_start": 5}),
        ({"fiscal_start": 4, "window": "quarter"}, {"fiscal_start": 4, "window": "quarter"}),
        ({"fill": True, "window": "day"}, {"fill": True, "window": "day"}),
        (
            {"by": ["model"], "limit": 3, "others": True},
            {"dimensions": ["model"], "limit": 3, "others": True},
        ),
    ],
)
def test_calendars_gaps_and_others_are_read(given: Any, expected: Any) -> None:
    assert parse_query(**given, now_ns=NOW_NS) == Query(**expected)


@pytest.mark.parametrize(
    "given",
    [
        {"week_start": "t"},
        {"week_start": "caturday"},
        {"fiscal_start": 13},
        {"others": True, "by": ["model"]},
        {"others": True, "limit": 3},
        {"fill": True},
        {"fill": True, "window": "day", "limit": 3},
        {"fill": True, "window": "day", "order": ["cost"]},
    ],
)
def test_what_does_not_go_together_is_refused(given: Any) -> None:
    with pytest.raises(QueryError):
        parse_query(**given, now_ns=NOW_NS)


def test_last_excludes_from_and_to() -> None:
    with pytest.raises(QueryError, match="either last"):
        parse_query(last="7d", start="today", now_ns=NOW_NS)


@pytest.mark.parametrize(
    ("text", "field", "allowed"),
    [
        ("status=failed", "status", ("success", "error", "timeout", "cancelled")),
        ("status!=ok", "status", ("success", "error", "timeout", "cancelled")),
        (
            "pricing_status=unknown",
            "pricing_status",
            ("priced", "free", "partial", "estimated", "unpriced"),
        ),
    ],
)
def test_a_value_that_no_record_has_is_refused_with_those_there_are(
    text: str, field: str, allowed: Sequence[str]
) -> None:
    with pytest.raises(QueryError) as refused:
        parse_filters([text])

    assert refused.value.field == field
    assert tuple(refused.value.allowed) == tuple(allowed)


def test_numbers_in_filters_have_the_short_names_of_measures() -> None:
    filters = parse_filters(["cost>0.10", "latency>=5000", "prompt_tokens<100"])

    assert [each.field for each in filters] == ["cost_usd", "latency_ms", "input_tokens"]


def test_an_unknown_filter_is_answered_with_the_numbers_too() -> None:
    with pytest.raises(QueryError, match="did you mean 'cost_usd'") as refused:
        parse_filters(["cost_us>1"])

    assert {"cost_usd", "latency_ms", "model"} <= set(refused.value.allowed)


def test_a_number_that_cannot_be_read_is_refused_where_it_is_parsed() -> None:
    with pytest.raises(QueryError, match="latency_ms: cannot read '5s': write a number"):
        parse_filters(["latency_ms>5s"])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Query(measures="cost"), id="measures"),
        pytest.param(lambda: Query(dimensions="model"), id="dimensions"),
        pytest.param(lambda: Query(filters=(Filter("model", "gpt-4o"),)), id="filter"),  # type: ignore[arg-type]  # what is refused
        pytest.param(lambda: RecordQuery(filters=(Filter("model", "gpt-4o"),)), id="records"),  # type: ignore[arg-type]  # what is refused
    ],
)
def test_text_in_the_place_of_a_tuple_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(QueryError, match=r"write .*, a tuple"):
        make()
