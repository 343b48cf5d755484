from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spantoll import instrumentation
from spantoll.instrumentation.attribution import attribute_key
from spantoll.semconv import attributes

PACKAGE = Path(instrumentation.__file__).parent
DOCUMENT = Path(__file__).parents[2] / "docs" / "attributes.md"
READ_ONLY = {
    "spantoll.data_residency",
    "spantoll.endpoint_scope",
    "spantoll.deployment.type",
    "spantoll.provider.instance",
    "spantoll.cache_hit",
    "spantoll.user_id",
    "spantoll.session_id",
}
PROPOSED = {"gen_ai.usage.cost.amount", "gen_ai.usage.cost.currency", "gen_ai.usage.cost.source"}
NO_KEYS = {
    # Names of a scope, an entry point, an event and prefixes.
    "spantoll.instrumentation",
    "spantoll.providers",
    "spantoll.client.operation.usage",
    "spantoll.",
    "spantoll.usage.",
}
OTHERS = ("gen_ai.", "openai.", "aws.bedrock.", "server.", "error.", "user.", "session.")
"""Namespaces of the conventions."""


def strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def written_keys() -> set[str]:
    """The keys of ours that the instrumentation can write."""
    constants = {value for value in vars(attributes).values() if isinstance(value, str)}
    inside = {text for path in PACKAGE.rglob("*.py") for text in strings(path)}
    attribution = {attribute_key(name) for name in attributes.ATTRIBUTION}
    found = {
        text
        for text in constants | inside | attribution
        if re.fullmatch(r"spantoll\.[a-z0-9_.]+", text) and not text.startswith(MODULES)
    }
    return found - READ_ONLY - NO_KEYS


MODULES = ("spantoll.instrumentation", "spantoll.semconv")


def documented_keys() -> set[str]:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    return {row.split("`")[1] for row in rows}


def test_each_key_of_our_own_is_in_the_document_and_nothing_else() -> None:
    prefixes = {key.removesuffix("*") for key in documented_keys() if key.endswith("*")}
    whole = {key for key in documented_keys() if not key.endswith("*")}
    # Written by a pattern: one of them stands for all modalities.
    patterned = {"spantoll.usage.cache_read.text.input_tokens"}
    written = {key for key in written_keys() if not key.startswith(tuple(prefixes))}

    assert written - {"spantoll.usage.cache_read."} == whole - patterned


def test_what_is_only_proposed_is_not_written() -> None:
    sources = [path.read_text() for path in PACKAGE.rglob("*.py")]

    assert not [key for key in PROPOSED if any(key in source for source in sources)]
    assert not [source for source in sources if re.search(r"keys\.COST_", source)]


def test_a_span_names_the_version_of_the_convention_its_keys_are_of(
    client: Any, spans: Any, question: Any
) -> None:
    client.chat.completions.create(**question())

    scope = spans.only_span().instrumentation_scope
    assert scope.schema_url == attributes.SCHEMA_URL
    assert scope.schema_url.startswith("https://opentelemetry.io/schemas/gen-ai/")
