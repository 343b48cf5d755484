from __future__ import annotations

import pytest

from spantoll.errors import QueryError
from spantoll.query import Filter, Query, parse_filters, parse_query

NOW_NS = 1_795_176_000 * 10**9


def test_words_become_a_query() -> None:
    query = parse_query(
        measures=["cost"],
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
        pytest.param(["attr.k=v"], [Filter("attr.k", ("v",))], id="attribute"),
    ],
)
def test_filters_are_read(texts: list[str], expected: list[Filter]) -> None:
    assert list(parse_filters(texts)) == expected


@pytest.mark.parametrize("text", ["model", "=x", "!=x", "modle=x"])
def test_a_filter_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="filter"):
        parse_filters([text])


def test_last_excludes_from_and_to() -> None:
    with pytest.raises(QueryError, match="either last"):
        parse_query(last="7d", start="today", now_ns=NOW_NS)
