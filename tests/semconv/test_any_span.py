"""What holds for every span of every dialect: no content is kept, and nothing raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.semconv import read
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


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=5),
)


VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2).map(tuple),
    st.dictionaries(st.text(max_size=5), SCALARS, max_size=2),
    st.sampled_from(['{"input": -1}', "{'a': 1", '["stop"]', '{"usage": 3}', "[" * 200, "NaN"]),
)


@given(
    st.sampled_from([*SCOPES, "strands.x", "openlit.anthropic", "gcp.vertex.agent", ""]),
    st.dictionaries(st.sampled_from(ATTRIBUTE_KEYS), VALUES, max_size=12),
)
def test_any_attribute_values_are_read_without_complaint(
    scope: str, attributes: dict[str, Any]
) -> None:
    found = read(span(scope, attributes=attributes))

    if found is not None:
        assert all(counter is None or counter >= 0 for counter in found.usage[:14])
