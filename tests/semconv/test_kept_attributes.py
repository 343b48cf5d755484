from __future__ import annotations

import pytest

from spantoll.semconv import kept
from spantoll.semconv.kept import Chosen, parse_attributes


def test_keys_and_prefixes_are_read() -> None:
    assert parse_attributes(" repo, app.*,, k8s.namespace.name") == Chosen(
        frozenset({"repo", "k8s.namespace.name"}), ("app.",)
    )


ALLOWED = (
    "app.context",
    "app.prompt.version",
    "gen_ai.tool.name",
    "inputs.id",
    "team.lead",
    "gen_ai.*",
)
CONTENT = (
    *(
        "gen_ai.input.messages",
        "llm.prompts.0.content",
        "input.value",
        "db.query.text",
        "app.prompt",
    ),
    *("http.request.header.x-id", "app.apiKey", "app.api_key", "session_token", "user.password.id"),
    *("toolArguments", "ANSWER"),
)


@pytest.mark.parametrize("key", ALLOWED)
def test_what_names_no_content_may_be_chosen(key: str) -> None:
    parse_attributes(key)


@pytest.mark.parametrize("key", CONTENT)
def test_content_and_secrets_are_never_chosen(key: str) -> None:
    with pytest.raises(ValueError, match="never kept"):
        parse_attributes(key)


@pytest.mark.parametrize("key", ["*", "a b", "a*b", 'a"b', "x" * 129])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        parse_attributes(key)


@pytest.mark.parametrize(
    ("chosen", "key", "name"),
    [
        ("repo", "repo", "repo"),
        ("repo", "repository", None),
        ("app.*", "app.lane", "app.lane"),
        ("app.*", "app.prompt", None),
        ("gen_ai.*", "gen_ai.input.messages", None),
        ("", "app.lane", None),
        ("", "feature", "feature"),
        ("app.*", "spantoll.metadata.x", "x"),
    ],
)
def test_only_the_built_in_and_the_chosen_attributes_have_a_name(
    monkeypatch: pytest.MonkeyPatch, chosen: str, key: str, name: str | None
) -> None:
    monkeypatch.setattr(kept, "_chosen", kept.Chosen())

    kept.choose_attributes(chosen)

    assert kept.metadata_name(key) == name
