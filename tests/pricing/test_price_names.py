"""Model names: which spellings and version suffixes are the same model."""

from __future__ import annotations

import pytest
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    MatchLogic,
)

from spantoll.pricing.clauses import compile_matcher
from spantoll.pricing.names import list_spellings, split_provider
from spantoll.pricing.selector import Selector
from spantoll.pricing.table import RateTable

CLAUSES: list[tuple[MatchLogic, str, bool]] = [
    (ClauseEquals("GPT-4o"), "gpt-4o", True),
    (ClauseEquals("gpt-4o"), "gpt-4o-mini", False),
    (ClauseStartsWith("claude-3-opus"), "claude-3-opus-20240229", True),
    (ClauseStartsWith("claude-3-opus"), "claude-3-opus@20240229", True),
    (ClauseStartsWith("claude-3-opus"), "claude-3-opus-v2@20240229", True),
    (ClauseStartsWith("claude-3-opus"), "claude-3-opuscule", False),
    (ClauseStartsWith("claude-3-opus"), "claude-3-opus-mini", False),
    (ClauseStartsWith("claude-3-opus"), "claude-3-opus-5", False),
    (ClauseStartsWith("claude-opus-4-1"), "claude-opus-4-10", False),
    (ClauseStartsWith("claude-sonnet-4-2025"), "claude-sonnet-4-20250514", True),
    (ClauseStartsWith("ft:gpt-4-0"), "ft:gpt-4-0613:acme:suffix:id", True),
    (ClauseStartsWith("ft:gpt-4-0"), "ft:gpt-4-0613-mini:acme::id", False),
    (ClauseStartsWith("gemma-3-"), "gemma-3-27b-it", True),
    (ClauseStartsWith("gemma-3-"), "gemma-3-vision", False),
    (ClauseStartsWith("gemini-2.5-pro"), "gemini-2.5-pro-8b", False),
    (ClauseStartsWith("x"), "my-x", False),
    (ClauseEndsWith("gemini-2.0-flash"), "google/gemini-2.0-flash", True),
    (ClauseEndsWith("gemini-2.0-flash"), "not-gemini-2.0-flash", False),
    (ClauseContains("o4-mini"), "o4-mini-2025-04-16", True),
    (ClauseContains("o4-mini"), "openai/o4-mini", True),
    (ClauseContains("o4-mini"), "my-o4-mini", False),
    (ClauseContains("o4-mini"), "o4-mini-eu", False),
    (ClauseContains("amazon.nova-pro"), "us.amazon.nova-pro-v1:0:300k", True),
    (ClauseContains("o4-mini"), "gpt-4o", False),
    (ClauseRegex(r"^gpt-6-\d{4}$"), "gpt-6-0101", True),
    (ClauseRegex(r"^gpt-6-\d{4}$"), "gpt-6-01012", False),
    (ClauseRegex(r"^gemini-3\.5-flash-\d"), "gemini-3.5-flash-001", True),
    (ClauseRegex(r"^gemini-3\.5-flash-\d"), "gemini-3.5-flash-8b", False),
    (ClauseRegex(r"flash"), "gemini-flash", False),
    (ClauseRegex(r"flash\d"), "flash1", False),
    (ClauseRegex(r"^(?!.*-tts$)"), "anything", True),
    (ClauseRegex(r"^(?!.*-tts$)"), "anything-tts", False),
    (ClauseAnd([ClauseStartsWith("a"), ClauseEquals("a-001")]), "a-001", True),
    (ClauseAnd([ClauseStartsWith("a"), ClauseEquals("a-001")]), "a-002", False),
    (ClauseOr([ClauseEquals("a"), ClauseEquals("b")]), "b", True),
    (ClauseOr([ClauseEquals("a"), ClauseEquals("b")]), "c", False),
]


@pytest.mark.parametrize(("clause", "name", "matches"), CLAUSES, ids=str)
def test_a_clause_matches_at_version_boundaries_only(
    clause: MatchLogic, name: str, matches: bool
) -> None:
    assert compile_matcher(clause)(name) is matches


SPELLINGS = {
    ("openai", " GPT-4o "): ["gpt-4o"],
    ("openai", "openai/gpt-4.1-20250414"): [
        "openai/gpt-4.1-20250414",
        "gpt-4.1-20250414",
        "gpt-4.1-2025-04-14",
    ],
    ("openrouter", "openrouter/openai/gpt-4o"): ["openrouter/openai/gpt-4o", "openai/gpt-4o"],
    ("aws", "bedrock/converse/us.amazon.nova-pro-v1:0"): [
        "bedrock/converse/us.amazon.nova-pro-v1:0",
        "converse/us.amazon.nova-pro-v1:0",
        "us.amazon.nova-pro-v1:0",
        "amazon.nova-pro-v1:0",
    ],
    ("aws", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x"): [
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x"
    ],
}


@pytest.mark.parametrize(("sent", "expected"), SPELLINGS.items(), ids=map("/".join, SPELLINGS))
def test_a_name_is_looked_for_as_sent_and_then_without_its_prefixes(
    sent: tuple[str, str], expected: list[str]
) -> None:
    assert list(list_spellings(*sent)) == expected


@pytest.mark.parametrize(
    ("model", "split"),
    [
        ("anthropic/claude-3", ("anthropic", "claude-3")),
        ("anthropic:claude-3", ("anthropic", "claude-3")),
        ("llama3.1:8b", (None, "llama3.1:8b")),
        ("meta-llama/llama-3", (None, "meta-llama/llama-3")),
        ("anthropic/", (None, "anthropic/")),
    ],
)
def test_a_prefix_is_a_provider_only_if_we_know_it(
    model: str, split: tuple[str | None, str]
) -> None:
    assert split_provider(model) == split


def test_an_empty_table_knows_no_provider() -> None:
    table = RateTable([], source="user")

    assert (table.knows("openai"), table.find("openai", "gpt-4o", Selector())) == (False, None)
