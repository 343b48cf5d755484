"""A command that has nothing to show says why, and what to do, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from spantoll.records import UsageRecord
from tests.surfaces.conftest import Cli

Record = Callable[..., UsageRecord]
Stored = Callable[[Sequence[UsageRecord]], None]

EMPTY = "No calls in "
UNMATCHED = "No counted calls match. The newest record is of 2026-11-20"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["models", "gpt-4oo"], "has 'gpt-4oo' in its name; near it: "),
        (["models", "no such model at all"], "`spantoll prices set` prices one"),
        (["models", "--provider", "antropic"], "near it: anthropic"),
        (["models", "gpt-4o", "--provider", "anthropic"], "not the other options too"),
        (["prices", "list"], "`spantoll prices set` adds one"),
        (["aliases", "list"], "`spantoll aliases set`"),
        (["customers", "list"], "`spantoll customers set` adds one"),
        (["owners", "list"], "`spantoll owners set` adds one"),
        (["keys", "list"], "`spantoll keys make NAME` makes one"),
        (["db", "audit"], "Nothing was changed"),
        (["periods", "list"], "No period is closed"),
        (["periods", "adjustments"], "Nothing of a closed period"),
        (["reprice", "list"], "No record was priced again"),
        (["usage"], EMPTY),
        (["top", "customer"], EMPTY),
        (["user", "ann"], EMPTY),
        (["growth", "--last", "7d"], EMPTY),
        (["health"], EMPTY),
        (["records"], EMPTY),
    ],
    ids=" ".join,
)
def test_an_empty_table_says_why_it_is_empty(
    spantoll: Cli, empty_database: str, arguments: list[str], says: str
) -> None:
    ran = spantoll(*arguments)

    assert (ran.status, ran.out) == (0, "")
    assert says in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["usage", "--where", "customer_id=nobody"],
        ["top", "--where", "user_id=nobody"],
        ["user", "nobody", "--from", "2026-11-01"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("format", ["table", "csv"])
def test_a_filter_that_matches_nothing_is_said_beside_a_bare_header_too(
    spantoll: Cli, stored: Stored, record: Record, arguments: list[str], format: str
) -> None:
    stored([record()])

    ran = spantoll(*arguments, "--format", format)

    assert UNMATCHED in ran.err
    assert bool(ran.out) == (format == "csv")


@pytest.mark.usefixtures("empty_database")
def test_a_customer_without_prices_is_told_from_one_that_is_misspelt(spantoll: Cli) -> None:
    spantoll("customers", "set", "acme", "--markup-percent", "30")

    ran = spantoll("customers", "list", "--customer", "acne")

    assert ran.out == ""
    assert "'acne' alone. There are prices for acme." in ran.err


@pytest.mark.usefixtures("empty_database")
def test_a_price_filter_that_matches_nothing_is_no_lack_of_prices(spantoll: Cli) -> None:
    spantoll("prices", "set", "openai", "gpt-9", "input=1", "output=2")

    ran = spantoll("prices", "list", "--provider", "anthropic")

    assert ran.out == ""
    assert "No price of your own matches" in ran.err
