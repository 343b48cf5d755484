"""What holds for every span of every dialect: no content is kept, and nothing raises."""

from __future__ import annotations

import ast
import inspect
import json
from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spantoll.semconv.registry import all_dialects
from spantoll.semconv.table import TableDialect
from tests.semconv.readings import all_readings
from tests.semconv.spans import GENAI, OTEL, read_call, span

SECRET = "the-prompt-that-is-never-kept"


CONTENT = [
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.prompt.0.content",
    "gen_ai.completion.0.content",
    "gen_ai.headers",
    "llm.headers",
    "llm.input_messages.0.message.content",
    "llm.invocation_parameters",
    "input.value",
    "output.value",
    "ai.prompt",
    "ai.response.text",
    "langfuse.observation.input",
    "mlflow.spanInputs",
    "mlflow.spanOutputs",
    "request_data",
    "gen_ai.tool.call.arguments",
]


SCOPES = [OTEL, "openinference.x", "opentelemetry.instrumentation.openai", "ai", "langfuse-sdk"]
SCOPES += ["mlflow.tracing", "logfire.openai", "litellm", "langsmith", "pydantic-ai", "somebody"]


@pytest.mark.parametrize("scope", SCOPES)
def test_no_content_reaches_a_call(scope: str) -> None:
    content = dict.fromkeys(CONTENT, json.dumps({"messages": SECRET, "authorization": SECRET}))
    kinds = {"openinference.span.kind": "LLM", "langfuse.observation.type": "generation"}

    found = read_call(scope, GENAI | kinds | content)

    assert SECRET not in repr(found)


ATTRIBUTE_KEYS = sorted(
    {key for reading in all_readings().values() for key in reading.attributes}
    | {"error.type", "server.address", "server.port", "user.id", "gen_ai.response.finish_reasons"}
    | {"gen_ai.usage.cost", "openai.response.service_tier", "output.value", "langsmith.span.kind"}
    | {"litellm.cache_hit", "gen_ai.request.stream", "gen_ai.response.time_to_first_chunk"}
)


NAMES = ["span", "raw_gen_ai_request", "call_llm", "claude_code.llm_request"]
NAMES += ["gemini_cli.api_response", "codex.sse_event", "BedrockRuntime.converse"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=5),
)


USAGES: list[dict[str, object]] = [
    {"input_tokens": "5", "cache_read_input_tokens": [1], "cost": "x"},
    {"inputTokens": None, "outputTokens": {}, "usage": {"usage": []}},
    {"promptTokenCount": True, "thoughtsTokenCount": -1, "usageMetadata": 3},
    {"usage_metadata": {"prompt_token_count": 5}, "generations": [[{"message": 1}]]},
    {"anthropic": {"usage": {"cache_creation": 1, "cache_read_input_tokens": 1.5}}},
    {"total": {"total": 1}, "total_cost": [], "service_tier": 5, "stream": 1, "model": 0},
]
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2).map(tuple),
    st.dictionaries(st.text(max_size=5), SCALARS, max_size=2),
    st.sampled_from([json.dumps(usage) for usage in USAGES]),
    st.sampled_from(['{"input": -1}', "{'a': 1", '["stop"]', '{"usage": 3}', "[" * 200, "NaN"]),
)


def keys_of(dialect: TableDialect) -> list[str]:
    """The attribute keys that the table and the functions of a dialect read."""
    module = import_module(f"spantoll.semconv.dialects.{dialect.name}")
    tree = ast.parse(inspect.getsource(module))
    written = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    constants = {text for text in written if isinstance(text, str) and " " not in text}
    return sorted(constants | {key for keys in dialect.keys.values() for key in keys})


@pytest.mark.parametrize("dialect", all_dialects(), ids=lambda dialect: dialect.name)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_attribute_values_are_read_without_complaint(
    dialect: TableDialect, data: st.DataObject
) -> None:
    keys = st.one_of(st.sampled_from(keys_of(dialect)), st.sampled_from(ATTRIBUTE_KEYS))
    attributes = data.draw(st.dictionaries(keys, VALUES, max_size=12))
    scope = data.draw(st.sampled_from([*dialect.scopes, ""]))
    name = data.draw(st.sampled_from(NAMES))

    found = dialect.read(span(scope, name=name, attributes=attributes))

    if found is not None:
        assert all(counter is None or counter >= 0 for counter in found.usage[:14])
