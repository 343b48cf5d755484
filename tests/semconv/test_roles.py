"""What a GenAI span stands for: a call, a tool, or an aggregate of calls."""

from __future__ import annotations

from typing import Any

import pytest

from spantoll.semconv import read
from tests.semconv.spans import GENAI, OTEL, read_call, span

OPERATION_ROLES = {
    (OTEL, "chat"): "inference",
    (OTEL, "generate_content"): "inference",
    (OTEL, "embeddings"): "embedding",
    (OTEL, "image_generation"): "media",
    (OTEL, "invoke_agent"): "aggregate",
    (OTEL, "invoke_workflow"): "aggregate",
    (OTEL, "execute_tool"): "tool",
    (OTEL, "fetch_response"): "fetch",
    (OTEL, "search_memory"): "tool",
    (OTEL, "count_tokens"): "fetch",
    ("semantic_kernel.x", "text_completions"): "inference",
    ("somebody", "something_new"): "aggregate",
}


@pytest.mark.parametrize(("scope", "operation"), OPERATION_ROLES)
def test_roles_follow_the_operation(scope: str, operation: str) -> None:
    found = read_call(scope, {"gen_ai.operation.name": operation, "gen_ai.request.model": "m"})

    assert found.role == OPERATION_ROLES[scope, operation]


@pytest.mark.parametrize(
    ("scope", "attributes", "name", "role"),
    [
        ("openinference.x", {"openinference.span.kind": "AGENT"}, "run", "aggregate"),
        ("openinference.x", {"openinference.span.kind": "TOOL"}, "run", "tool"),
        ("openinference.x", {"openinference.span.kind": "EMBEDDING"}, "run", "embedding"),
        ("ai", {"ai.operationId": "ai.generateText"}, "run", "aggregate"),
        ("ai", {"ai.operationId": "ai.toolCall"}, "run", "tool"),
        ("ai", {"ai.operationId": "ai.embed.doEmbed"}, "run", "embedding"),
        ("ai", {"ai.operationId": "ai.transcribe"}, "run", "media"),
        ("litellm", GENAI, "raw_gen_ai_request", "aggregate"),
        (
            "litellm",
            {"llm.request.type": "aembedding", "gen_ai.request.model": "m"},
            "x",
            "embedding",
        ),
        ("langsmith", {"langsmith.span.kind": "chain"}, "run", "aggregate"),
        ("langfuse-sdk", {"langfuse.observation.type": "agent"}, "run", "aggregate"),
        ("mlflow.tracing", {"mlflow.spanType": '"AGENT"'}, "run", "aggregate"),
        (
            "pydantic-ai",
            {"gen_ai.usage.input_tokens": 5, "model_name": "m"},
            "agent run",
            "aggregate",
        ),
        ("logfire.openai", GENAI | {"logfire.span_type": "pending_span"}, "x", "aggregate"),
        ("traceloop.tracer", {"traceloop.span.kind": "workflow"}, "x", "aggregate"),
        ("traceloop.tracer", {"traceloop.span.kind": "tool"}, "x", "tool"),
        ("gcp.vertex.agent", {"gen_ai.request.model": "m"}, "call_llm", "inference"),
        ("gcp.vertex.agent", {"gen_ai.conversation.id": "c"}, "invocation", "aggregate"),
        ("com.anthropic.claude_code", {}, "claude_code.tool", "tool"),
        (
            "org.springframework.boot",
            {"gen_ai.operation.name": "framework", "spring.ai.kind": "chat_client"},
            "spring_ai chat_client",
            "aggregate",
        ),
        (
            "micrometer",
            GENAI | {"spring.ai.kind": "advisor", "gen_ai.usage.input_tokens": 1},
            "advisor",
            "aggregate",
        ),
        ("agent_framework", {"gen_ai.operation.name": "invoke_agent"}, "x", "aggregate"),
        ("crewai", {"gen_ai.operation.name": "execute_task"}, "x", "aggregate"),
        (
            "somebody",
            {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 1},
            "x",
            "inference",
        ),
    ],
)
def test_roles_follow_the_dialect(
    scope: str, attributes: dict[str, Any], name: str, role: str
) -> None:
    assert read_call(scope, attributes, name=name).role == role


@pytest.mark.parametrize(
    "attributes", [{}, {"http.route": "/chat"}, {"gen_ai.prompt": "x"}, {"my.model": "gpt-4o"}]
)
def test_other_spans_are_not_genai_spans(attributes: dict[str, Any]) -> None:
    assert read(span("my-app", attributes=attributes)) is None
