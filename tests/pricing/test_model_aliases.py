"""Aliases: deployments, ARNs, gateways and house names are priced as what stands behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.pricing import Unpriced, UserPricing, load_rate_card
from spantoll.pricing.model_aliases import ModelAlias, read_model_alias
from spantoll.pricing.own_files import read_alias_file, write_alias_file
from spantoll.pricing.own_prices import read_own_price
from spantoll.pricing.shipped import PriceDataError
from spantoll.semconv.call import ModelCall

CallMaker = Callable[..., ModelCall]
ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2"


def alias(provider: str, model: str, to_model: str, **given: str) -> ModelAlias:
    row = {"provider": provider, "model": model, "to_model": to_model, **given}
    return read_model_alias(row, f"alias of {model}")


def cost(call: ModelCall, *aliases: ModelAlias, **given: Any) -> tuple[int | None, str]:
    answer = load_rate_card(user=UserPricing(aliases=aliases, **given)).price(call)
    return (
        (None, answer.reason) if isinstance(answer, Unpriced) else (answer.cost_nano, answer.status)
    )


MAPPED: dict[str, tuple[ModelAlias, dict[str, str], int]] = {
    "an Azure deployment": (
        alias("azure.ai.openai", "prod-chat", "gpt-4o"),
        {"provider": "azure.ai.openai", "request_model": "Prod-Chat"},
        2_500_000,
    ),
    "a Bedrock ARN": (
        alias("bedrock", ARN, "anthropic.claude-sonnet-4-5-20250929-v1:0", region="eu-central-1"),
        {"provider": "aws.bedrock", "request_model": ARN},
        3_300_000,
    ),
    "a profile of all regions": (
        alias("bedrock", "our-profile", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        {"provider": "aws.bedrock", "request_model": "our-profile"},
        3_000_000,
    ),
    "a gateway that hides the provider": (
        alias("*", "fast", "gpt-4.1-mini", to_provider="openai"),
        {"request_model": "fast"},
        400_000,
    ),
    "a house name by pattern": (
        alias("acme", "pattern:team-*-large", "gpt-4.1", to_provider="openai"),
        {"provider": "acme", "request_model": "team-red-large"},
        2_000_000,
    ),
    "versions of a house name": (
        alias("acme", "prefix:house", "gpt-4.1", to_provider="openai"),
        {"provider": "acme", "response_model": "house-2026-01-01"},
        2_000_000,
    ),
}


@pytest.mark.parametrize(("mapped", "called", "nano"), MAPPED.values(), ids=MAPPED)
def test_a_name_is_priced_as_the_model_behind_it(
    mapped: ModelAlias, called: dict[str, str], nano: int, make_call: CallMaker
) -> None:
    call = make_call(called.get("provider"), input_tokens=1_000, output_tokens=0)
    call = call._replace(**called)  # type: ignore[arg-type]  # names are strings

    assert cost(call)[0] is None
    assert cost(call, mapped) == (nano, "priced")


def test_the_most_specific_alias_holds(make_call: CallMaker) -> None:
    rows = (
        alias("*", "pattern:house*", "gpt-4.1-nano", to_provider="openai"),
        alias("acme", "pattern:house*", "gpt-4.1-mini", to_provider="openai"),
        alias("acme", "house-1", "gpt-4.1", to_provider="openai"),
    )
    called = (("acme", "house-1"), ("acme", "house-2"), ("other", "house-1"))

    costs = [
        cost(make_call(provider, model, input_tokens=1_000, output_tokens=0), *rows)[0]
        for provider, model in called
    ]

    assert costs == [2_000_000, 400_000, 100_000]


def test_an_alias_holds_from_its_first_to_its_last_day(make_call: CallMaker) -> None:
    rows = (
        alias("acme", "house", "gpt-4.1-mini", to_provider="openai", valid_to="2026-06-01"),
        alias(
            *("acme", "house", "gpt-4.1"),
            to_provider="openai",
            valid_from="2026-06-01",
            valid_to="2026-07-01",
        ),
    )
    days = ("2026-05-31T23:59:59.999", "2026-06-01", "2026-06-30T23:59:59.999", "2026-07-01")

    costs = [
        cost(make_call("acme", "house", at=day, input_tokens=1_000, output_tokens=0), *rows)[0]
        for day in days
    ]

    assert costs == [400_000, 2_000_000, 2_000_000, None]


def test_an_alias_is_followed_once(make_call: CallMaker) -> None:
    rows = (
        alias("acme", "a", "b"),
        alias("acme", "b", "gpt-4.1", to_provider="openai"),
    )

    assert cost(make_call("acme", "a", input_tokens=1_000), *rows) == (None, "unknown_provider")


def test_a_price_of_the_model_behind_holds_for_its_alias(make_call: CallMaker) -> None:
    own = read_own_price(
        {"provider": "openai", "model": "gpt-4o", "metric": "input", "amount": "1", "per": "1M"},
        "given",
    )
    call = make_call("acme", "house", input_tokens=1_000, output_tokens=0)

    priced = cost(call, alias("acme", "house", "gpt-4o", to_provider="openai"), prices=(own,))

    assert priced == (1_000_000, "priced")


REFUSED = {
    "of every model": ({"model": "*"}, "would hide all prices"),
    "to a pattern": ({"to_model": "gpt-*"}, "names one model"),
    "to any provider": ({"to_provider": "*"}, "names one model"),
    "to nothing": ({"to_model": ""}, "to_model must be a name"),
    "with a wrong day": ({"valid_from": "soon"}, "is not a day"),
    "that ends before it begins": (
        {"valid_from": "2026-02-01", "valid_to": "2026-01-01"},
        "valid_to must be after",
    ),
    "with a column spelled wrong": ({"model_to": "x"}, "unknown column 'model_to'"),
}


@pytest.mark.parametrize(("wrong", "message"), REFUSED.values(), ids=REFUSED)
def test_an_alias_that_cannot_be_right_is_refused(wrong: dict[str, str], message: str) -> None:
    row = {"provider": "acme", "model": "house", "to_model": "gpt-4o"}

    with pytest.raises(PriceDataError, match=message):
        read_model_alias({**row, **wrong}, "aliases.csv:2")


def test_two_aliases_of_one_name_at_one_time_are_refused_with_both_named() -> None:
    rows = (alias("acme", "house", "a"), alias("acme", "house", "b", valid_from="2026-01-01"))
    rows = (rows[0]._replace(position="a.csv:2"), rows[1]._replace(position="b.csv:3"))

    with pytest.raises(PriceDataError, match=r"a\.csv:2 and b\.csv:3 overlap"):
        UserPricing(aliases=rows).check()


names = st.text(st.characters(categories=["Ll", "Nd"], max_codepoint=0x2FF), min_size=1, max_size=9)


@given(
    st.lists(st.tuples(names, names, names, st.sampled_from(["", "eu", "us-east-1"])), min_size=1),
    st.sampled_from(["csv", "json"]),
)
def test_exported_aliases_are_imported_exactly(
    given_rows: list[tuple[str, str, str, str]], format: str
) -> None:
    rows = [alias(p, m, to, region=region, note='"a", b') for p, m, to, region in given_rows]

    read = read_alias_file(write_alias_file(rows, format), file="aliases")

    assert [each._replace(position="") for each in read] == [
        each._replace(position="") for each in rows
    ]
