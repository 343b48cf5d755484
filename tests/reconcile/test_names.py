from __future__ import annotations

import pytest

from spantoll.reconcile.names import match_models


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
        ("GPT-4o", "gpt-4o"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("claude-haiku-4-5-20251001", "Claude Haiku 4.5"),
        ("claude-3-5-sonnet-20241022", "Claude Sonnet 3.5"),
        ("us.anthropic.claude-sonnet-4-6-20260501-v1:0", "Claude4.6Sonnet"),
        ("anthropic.claude-opus-4-6-v1", "Claude4.6Opus"),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
            "NovaPro",
        ),
        ("amazon.nova-2-lite-v1:0", "Nova2.0Lite"),
        ("openai.gpt-oss-120b-1:0", "openai.gpt-oss-120b-1:0"),
        ("claude-opus-4@20250514", "claude-opus-4-20250514"),
    ],
)
def test_a_model_is_found_under_the_name_of_the_bill(ours: str, theirs: str) -> None:
    others = ["gpt-4o-mini", "Claude Haiku 3.5", "NovaLite", "o3"]

    assert match_models([ours], [theirs, *others], aliases={}) == {ours: theirs}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
        ("gpt-4o", "gpt-4o-mini"),
        ("claude-opus-4-5", "claude-opus-5-4"),
        ("claude-opus-4", "claude-opus-4-1"),
        ("deepseek-v3", "deepseek-v4"),
        ("gpt-3.5-turbo", "gpt-3.5-turbo-instruct"),
        ("o1", "gpt-o1"),
    ],
)
def test_names_that_only_look_alike_do_not_match(ours: str, theirs: str) -> None:
    assert match_models([ours], [theirs], aliases={}) == {}


def test_a_name_that_could_be_two_models_matches_none() -> None:
    billed = ["gpt-4o-2024-05-13", "gpt-4o-2024-08-06"]

    assert match_models(["gpt-4o"], billed, aliases={}) == {}


def test_an_alias_outranks_what_the_names_say() -> None:
    aliases = {"Llama3-3-70B": "meta.llama3-3-70b-instruct-v1:0"}

    matched = match_models(list(aliases.values()), list(aliases), aliases=aliases)

    assert matched == {"meta.llama3-3-70b-instruct-v1:0": "Llama3-3-70B"}
