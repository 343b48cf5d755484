from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.otlp import Event, Span
from spantoll.semconv import ModelCall, could_be_genai, read

OTEL = "opentelemetry.instrumentation.genai.openai"
BOTOCORE = "opentelemetry.instrumentation.botocore.bedrock-runtime"


def span(scope: str = OTEL, /, *, name: str = "span", version: str = "", **more: Any) -> Span:
    values: dict[str, Any] = {
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "parent_span_id": None,
        "name": name,
        "kind": 3,
        "start_ns": 1_000,
        "end_ns": 2_000,
        "status_code": 0,
        "status_message": "",
        "attributes": {},
        "events": (),
        "resource": {"service.name": "shop"},
        "scope_name": scope,
        "scope_version": version,
        "schema_url": "",
    }
    return Span(**values | more)


def call(scope: str, attributes: dict[str, Any], **more: Any) -> ModelCall:
    found = read(span(scope, attributes=attributes, **more))
    assert found is not None
    return found


GENAI = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
CACHED = {
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.cache_creation.input_tokens": 20,
}

# dialect, scope, attributes -> input, output, cache read, cache write, reasoning
READINGS: dict[str, tuple[str, dict[str, Any], tuple[int | None, ...]]] = {
    "otel contains the cache": (OTEL, GENAI | CACHED, (100, 10, 60, 20, None)),
    "otel new name of cache write": (
        OTEL,
        GENAI | CACHED | {"gen_ai.usage.cache_write.input_tokens": 20},
        (100, 10, 60, 20, None),
    ),
    "otel bedrock tells the cache apart": (
        "opentelemetry.instrumentation.genai.bedrock",
        GENAI | CACHED,
        (180, 10, 60, 20, None),
    ),
    "anthropic's own spans contain it": (
        "com.anthropic.sdk.python",
        GENAI | CACHED | {"anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 5},
        (100, 10, 60, 20, None),
    ),
    "botocore tells it apart": (
        "opentelemetry.instrumentation.botocore.bedrock-runtime",
        GENAI | CACHED,
        (180, 10, 60, 20, None),
    ),
    "openai-v2 with the oldest names": (
        "opentelemetry.instrumentation.openai_v2",
        GENAI | {"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 10},
        (100, 10, None, None, None),
    ),
    "openllmetry contains it": (
        "opentelemetry.instrumentation.openai.v1",
        GENAI | CACHED | {"gen_ai.usage.reasoning_tokens": 4},
        (100, 10, 60, 20, 4),
    ),
    "openllmetry bedrock tells it apart": (
        "opentelemetry.instrumentation.bedrock",
        GENAI | CACHED | {"gen_ai.usage.total_tokens": 110},
        (180, 10, 60, 20, None),
    ),
    "openllmetry crewai tells what the whole crew used": (
        "opentelemetry.instrumentation.crewai.instrumentation",
        {
            "gen_ai.operation.name": "invoke_agent",
            "crewai.crew.usage_metrics": "{'total_tokens': 110, 'prompt_tokens': 100,"
            " 'cached_prompt_tokens': 60, 'completion_tokens': 10, 'reasoning_tokens': 4}",
        },
        (100, 10, 60, None, 4),
    ),
    "openllmetry gemini leaves thoughts to the total": (
        "opentelemetry.instrumentation.google_generativeai",
        GENAI | CACHED | {"gen_ai.provider.name": "gcp.gen_ai", "gen_ai.usage.total_tokens": 114},
        (100, 14, 60, 20, 4),
    ),
    "openinference finds a transcription's usage in its answer": (
        "openinference.instrumentation.openai",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "output.value": json.dumps({"usage": {"input_tokens": 100, "output_tokens": 10}}),
        },
        (100, 10, None, None, None),
    ),
    "openinference finds parts of its totals in its answer": (
        "openinference.instrumentation.mistralai",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 10,
            "output.value": json.dumps(
                {"usage": {"prompt_tokens": 99, "prompt_tokens_details": {"cached_tokens": 60}}}
            ),
        },
        (100, 10, 60, None, None),
    ),
    "openinference": (
        "openinference.instrumentation.anthropic",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 10,
            "llm.token_count.prompt_details.cache_read": 60,
            "llm.token_count.completion_details.reasoning": 4,
        },
        (100, 10, 60, None, 4),
    ),
    "openinference reads its own family only": (
        "openinference.instrumentation.openai",
        GENAI
        | {"gen_ai.usage.input_tokens": 999, "openinference.span.kind": "LLM"}
        | {"llm.model_name": "m", "llm.token_count.prompt": 100},
        (100, None, None, None, None),
    ),
    "openinference bedrock by arithmetic": (
        "openinference.instrumentation.bedrock",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 10,
            "llm.token_count.total": 170,
            "llm.token_count.prompt_details.cache_read": 60,
        },
        (160, 10, 60, None, None),
    ),
    "openlit openai contains it": (
        "openlit.instrumentation.openai",
        GENAI | CACHED,
        (100, 10, 60, 20, None),
    ),
    "openlit anthropic tells it apart": (
        "openlit.instrumentation.anthropic",
        GENAI | CACHED,
        (180, 10, 60, 20, None),
    ),
    "openlit gemini tells thoughts apart": (
        "openlit.instrumentation.google_ai_studio",
        GENAI | CACHED | {"gen_ai.provider.name": "gemini", "gen_ai.usage.reasoning_tokens": 4},
        (100, 14, 60, 20, 4),
    ),
    "ai sdk 6": (
        "ai",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.usage.inputTokens": 100,
            "ai.usage.outputTokens": 10,
            "ai.usage.inputTokenDetails.noCacheTokens": 20,
            "ai.usage.inputTokenDetails.cacheReadTokens": 60,
            "ai.usage.inputTokenDetails.cacheWriteTokens": 20,
            "ai.usage.reasoningTokens": 4,
        },
        (100, 10, 60, 20, 4),
    ),
    "ai sdk 4 with anthropic's metadata": (
        "ai",
        {
            "ai.operationId": "ai.streamText.doStream",
            "gen_ai.system": "anthropic.messages",
            "ai.usage.promptTokens": 100,
            "ai.usage.completionTokens": 10,
            "ai.response.providerMetadata": json.dumps(
                {"anthropic": {"cacheReadInputTokens": 60, "cacheCreationInputTokens": 20}}
            ),
        },
        (180, 10, 60, 20, None),
    ),
    "ai sdk 5 with gemini's metadata": (
        "ai",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "gen_ai.system": "google.generative-ai",
            "ai.usage.promptTokens": 100,
            "ai.usage.completionTokens": 6,
            "ai.response.providerMetadata": json.dumps(
                {
                    "google": {
                        "usageMetadata": {
                            "promptTokenCount": 100,
                            "candidatesTokenCount": 6,
                            "thoughtsTokenCount": 4,
                            "cachedContentTokenCount": 60,
                        }
                    }
                }
            ),
        },
        (100, 10, 60, None, 4),
    ),
    "ai sdk 5 streams of gemini by arithmetic": (
        "ai",
        {
            "ai.operationId": "ai.streamText.doStream",
            "gen_ai.system": "google.generative-ai",
            "ai.usage.inputTokens": 100,
            "ai.usage.outputTokens": 6,
            "ai.usage.reasoningTokens": 4,
            "ai.usage.totalTokens": 110,
        },
        (100, 10, None, None, 4),
    ),
    "adk of last year leaves details to the answer": (
        "gcp.vertex.agent",
        {
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 6,
            "gcp.vertex.agent.llm_response": json.dumps(
                {
                    "usage_metadata": {
                        "prompt_token_count": 100,
                        "candidates_token_count": 6,
                        "thoughts_token_count": 4,
                        "cached_content_token_count": 60,
                    }
                }
            ),
        },
        (100, 10, 60, None, 4),
    ),
    "pydantic-ai tells details twice": (
        "pydantic-ai",
        GENAI | CACHED | {"gen_ai.usage.details.cache_read_tokens": 60},
        (100, 10, 60, 20, None),
    ),
    "logfire keeps details in raw json": (
        "logfire.openai",
        GENAI
        | {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.raw": json.dumps(
                {
                    "prompt_tokens_details": {"cached_tokens": 60},
                    "completion_tokens_details": {"reasoning_tokens": 4},
                }
            ),
        },
        (100, 10, 60, None, 4),
    ),
    "logfire keeps details of an agent's calls in usage": (
        "logfire.openai_agents",
        {
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
            "usage": json.dumps({"input_tokens_details": {"cached_tokens": 60}}),
        },
        (100, 10, 60, None, None),
    ),
    "langsmith keeps details in a repr": (
        "langsmith",
        {
            "langsmith.span.kind": "llm",
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
            "gen_ai.usage.input_token_details": "{'cache_read': 60, 'cache_creation': 20}",
            "gen_ai.usage.output_token_details": "{'reasoning': 4}",
        },
        (100, 10, 60, 20, 4),
    ),
    "langsmith keeps details in metadata": (
        "langsmith",
        {
            "langsmith.span.kind": "llm",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 10,
            "langsmith.metadata.usage_metadata": json.dumps(
                {
                    "input_token_details": {
                        "cache_read": 60,
                        "cache_creation": 0,
                        "ephemeral_5m_input_tokens": 15,
                        "ephemeral_1h_input_tokens": 5,
                    },
                    "output_token_details": {"reasoning": 4},
                }
            ),
        },
        (100, 10, 60, 20, 4),
    ),
    "litellm": (
        "litellm",
        GENAI | CACHED | {"gen_ai.usage.total_tokens": 110},
        (100, 10, 60, 20, None),
    ),
    "litellm keeps details in a repr": (
        "litellm",
        GENAI
        | {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}
        | {"metadata.usage_object": "{'prompt_tokens_details': {'cached_tokens': 60, 'x': None}}"},
        (100, 10, 60, None, None),
    ),
    "litellm dumps anthropic's answer": (
        "litellm",
        {
            "llm.anthropic.model": "m",
            "llm.anthropic.usage": "{'input_tokens': 20, 'output_tokens': 10,"
            " 'cache_read_input_tokens': 60, 'cache_creation_input_tokens': 20}",
        },
        (100, 10, 60, 20, None),
    ),
    "litellm dumps bedrock's answer": (
        "litellm",
        {
            "llm.bedrock.usage": "{'inputTokens': 20, 'outputTokens': 10, 'totalTokens': 110,"
            " 'cacheReadInputTokens': 60, 'cacheWriteInputTokens': 20}",
        },
        (100, 10, 60, 20, None),
    ),
    "litellm dumps gemini's answer": (
        "litellm",
        {
            "llm.gemini.usageMetadata": "{'promptTokenCount': 90, 'candidatesTokenCount': 6,"
            " 'thoughtsTokenCount': 4, 'toolUsePromptTokenCount': 10,"
            " 'cachedContentTokenCount': 60}",
        },
        (100, 10, 60, None, 4),
    ),
    "langfuse's own buckets are additive": (
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": json.dumps(
                {"input": 20, "output": 10, "cache_read_input_tokens": 60}
            ),
        },
        (80, 10, 60, None, None),
    ),
    "langfuse's own buckets of output are additive too": (
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": json.dumps(
                {"input": 35, "input_cache_read": 60, "input_audio": 5}
                | {"output": 5, "output_reasoning": 4, "output_audio": 1, "total": 110}
            ),
        },
        (100, 10, 60, None, 4),
    ),
    "langfuse with openai's object": (
        "langfuse-sdk",
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": json.dumps(
                {
                    "prompt_tokens": 100,
                    "completion_tokens": 10,
                    "prompt_tokens_details": {"cached_tokens": 60},
                }
            ),
        },
        (100, 10, 60, None, None),
    ),
    "mlflow quotes everything": (
        "mlflow.tracing.provider",
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.llm.model": '"m"',
            "mlflow.chat.tokenUsage": json.dumps(
                {"input_tokens": 100, "output_tokens": 10, "cache_read_input_tokens": 60}
            ),
        },
        (100, 10, 60, None, None),
    ),
    "mlflow drops parts that its answer has": (
        "mlflow.tracing.provider",
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.chat.tokenUsage": json.dumps({"input_tokens": 100, "output_tokens": 10}),
            "mlflow.spanOutputs": json.dumps(
                {"usage": {"prompt_tokens_details": {"cached_tokens": 60}, "prompt_tokens": 1}}
            ),
        },
        (100, 10, 60, None, None),
    ),
    "mlflow embeddings tell usage in their answer": (
        "mlflow.tracing.provider",
        {
            "mlflow.spanType": '"EMBEDDING"',
            "mlflow.spanOutputs": json.dumps({"usage": {"prompt_tokens": 100}}),
        },
        (100, None, None, None, None),
    ),
    "strands of today": (
        "strands.telemetry.tracer",
        GENAI | CACHED | {"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.total_tokens": 110},
        (100, 10, 60, 20, None),
    ),
    "strands of last year": (
        "strands.telemetry.tracer",
        GENAI | CACHED | {"gen_ai.usage.total_tokens": 190},
        (180, 10, 60, 20, None),
    ),
    "agent framework adds the cache for openai": (
        "agent_framework",
        GENAI | CACHED | {"gen_ai.provider.name": "openai"},
        (100, 10, 60, 20, None),
    ),
    "agent framework tells it apart for anthropic": (
        "agent_framework",
        GENAI | CACHED | {"gen_ai.provider.name": "anthropic"},
        (180, 10, 60, 20, None),
    ),
    "agent framework tells it apart for claude anywhere": (
        "agent_framework",
        GENAI
        | CACHED
        | {"gen_ai.provider.name": "azure.ai.foundry", "gen_ai.request.model": "claude-opus-4-7"},
        (180, 10, 60, 20, None),
    ),
    "spring ai openai contains it": (
        "org.springframework.boot",
        GENAI | CACHED | {"gen_ai.system": "openai", "gen_ai.usage.total_tokens": 110},
        (100, 10, 60, 20, None),
    ),
    "spring ai anthropic tells it apart, whatever the total": (
        "org.springframework.boot",
        GENAI | CACHED | {"gen_ai.system": "anthropic", "gen_ai.usage.total_tokens": 110},
        (180, 10, 60, 20, None),
    ),
    "crewai adds anthropic's cache": (
        "crewai.telemetry",
        GENAI | CACHED | {"gen_ai.provider.name": "anthropic"},
        (100, 10, 60, 20, None),
    ),
    "crewai leaves bedrock's apart": (
        "crewai",
        GENAI | CACHED | {"gen_ai.provider.name": "bedrock"},
        (180, 10, 60, 20, None),
    ),
    "crewai writes 0 for input it did not find": (
        "crewai",
        GENAI | {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 10},
        (None, 10, None, None, None),
    ),
    "claude code": (
        "com.anthropic.claude_code.tracing",
        {"model": "m", "input_tokens": 20, "output_tokens": 10, "cache_read_tokens": 60},
        (80, 10, 60, None, None),
    ),
    "unknown scope, cache exceeds input": (
        "somebody",
        GENAI | {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.cache_read.input_tokens": 60},
        (65, None, 60, None, None),
    ),
    "unknown scope, total proves it apart": (
        "somebody",
        GENAI | CACHED | {"gen_ai.usage.total_tokens": 190},
        (180, 10, 60, 20, None),
    ),
    "unknown scope, total proves it contained": (
        "somebody",
        GENAI | CACHED | {"gen_ai.usage.total_tokens": 110},
        (100, 10, 60, 20, None),
    ),
    "unknown scope, modalities prove it contained": (
        "somebody",
        GENAI
        | CACHED
        | {"gen_ai.usage.text.input_tokens": 90, "gen_ai.usage.image.input_tokens": 10},
        (100, 10, 60, 20, None),
    ),
    "only cached tokens are told": (
        "somebody",
        GENAI | {"gen_ai.usage.cache_read.input_tokens": 60},
        (60, None, 60, None, None),
    ),
    "zeros stand for usage nobody told": (
        "somebody",
        GENAI | {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0},
        (None, None, None, None, None),
    ),
    "reasoning exceeds output": (
        "somebody",
        GENAI | {"gen_ai.usage.output_tokens": 10, "gen_ai.usage.reasoning_tokens": 30},
        (None, 40, None, None, 30),
    ),
}


@pytest.mark.parametrize("case", READINGS)
def test_numbers_mean_what_the_dialect_means(case: str) -> None:
    scope, attributes, expected = READINGS[case]
    names = {
        "adk of": "call_llm",
        "claude code": "claude_code.llm_request",
        "litellm dumps": "raw_gen_ai_request",
    }
    name = next((name for start, name in names.items() if case.startswith(start)), "span")

    usage = call(scope, attributes, name=name).usage

    told = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)
    assert (*told, usage.cache_write_tokens, usage.reasoning_tokens) == expected


@pytest.mark.parametrize(
    ("provider", "quality"),
    [("anthropic", "assumed"), ("aws.bedrock", "assumed"), ("openai", "exact")],
)
def test_a_guess_is_marked_as_one(provider: str, quality: str) -> None:
    found = call("somebody", GENAI | CACHED | {"gen_ai.provider.name": provider})

    assert found.usage.input_tokens == 100
    assert found.usage_quality == quality
    assert any("input" in note for note in found.assumptions)


@pytest.mark.parametrize(
    ("scope", "provider", "quality"),
    [
        ("semantic_kernel.utils.telemetry", {"gen_ai.system": "bedrock"}, "assumed"),
        ("semantic_kernel.utils.telemetry", {"gen_ai.system": "openai"}, "exact"),
        ("agent_framework", {"gen_ai.system": "anthropic"}, "assumed"),
        ("agent_framework", {"gen_ai.provider.name": "anthropic"}, "exact"),
        ("opentelemetry.instrumentation.bedrock", {"gen_ai.system": "bedrock"}, "assumed"),
        ("openlit.instrumentation.bedrock", {"gen_ai.system": "bedrock"}, "assumed"),
        ("strands.telemetry.tracer", {"gen_ai.system": "strands-agents"}, "assumed"),
        (BOTOCORE, {"gen_ai.system": "aws.bedrock", "rpc.method": "InvokeModel"}, "assumed"),
        (BOTOCORE, {"gen_ai.system": "aws.bedrock", "rpc.method": "Converse"}, "exact"),
        ("openlit.instrumentation.anthropic", {"gen_ai.system": "anthropic"}, "assumed"),
    ],
)
def test_an_emitter_that_tells_no_cache_is_doubted_where_it_is_counted_apart(
    scope: str, provider: dict[str, Any], quality: str
) -> None:
    found = call(scope, GENAI | {"gen_ai.usage.input_tokens": 100} | provider)

    assert found.usage.input_tokens == 100
    assert found.usage_quality == quality


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        (123, 123),
        ("123", 123),
        (123.0, 123),
        ("1e2", 100),
        (2**63 - 1, 2**63 - 1),
        (-1, None),
        (1.5, None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (2**63, None),
        ("many", None),
        (b"12", None),
        ((1,), None),
    ],
)
def test_counters_are_integers_or_unknown(value: object, read_as: int | None) -> None:
    found = call(OTEL, GENAI | {"gen_ai.usage.input_tokens": value})

    assert found.usage.input_tokens == read_as
    assert found.usage_quality == ("exact" if read_as is not None else "inconsistent")


@pytest.mark.parametrize(
    ("attributes", "quality"),
    [
        ({"gen_ai.request.stream": True}, "estimated"),
        ({"gen_ai.request.stream": False}, "exact"),
        ({"gen_ai.request.stream": True, "gen_ai.usage.cache_read.input_tokens": 0}, "exact"),
    ],
)
def test_words_that_openlit_counted_are_an_estimate(
    attributes: dict[str, Any], quality: str
) -> None:
    used = GENAI | {"gen_ai.usage.input_tokens": 100, "gen_ai.system": "openai"}

    assert call("openlit.instrumentation.openai", used | attributes).usage_quality == quality


@pytest.mark.parametrize(
    ("name", "attributes", "provider"),
    [
        ("Completions", {"mlflow.message.format": '"mistral"'}, "mistral_ai"),
        ("Completions", {"mlflow.message.format": '"openai"'}, None),
        ("BedrockRuntime.invoke_model", {"mlflow.llm.provider": '"us"'}, "aws.bedrock"),
        (
            "converse",
            {"mlflow.message.format": '"bedrock"', "mlflow.llm.provider": '"us"'},
            "aws.bedrock",
        ),
    ],
)
def test_mlflow_tells_providers_by_the_sdk(
    name: str, attributes: dict[str, Any], provider: str | None
) -> None:
    kind = {"mlflow.spanType": '"CHAT_MODEL"'}

    assert call("mlflow.tracing.provider", kind | attributes, name=name).provider == provider


ROLES = {
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


@pytest.mark.parametrize(("scope", "operation"), ROLES)
def test_roles_follow_the_operation(scope: str, operation: str) -> None:
    found = call(scope, {"gen_ai.operation.name": operation, "gen_ai.request.model": "m"})

    assert found.role == ROLES[scope, operation]


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
    assert call(scope, attributes, name=name).role == role


@pytest.mark.parametrize(
    "attributes", [{}, {"http.route": "/chat"}, {"gen_ai.prompt": "x"}, {"my.model": "gpt-4o"}]
)
def test_other_spans_are_not_genai_spans(attributes: dict[str, Any]) -> None:
    assert read(span("my-app", attributes=attributes)) is None


@pytest.mark.parametrize(
    ("attributes", "provider"),
    [
        ({"gen_ai.provider.name": "openai"}, "openai"),
        ({"gen_ai.system": "az.ai.openai"}, "azure.ai.openai"),
        ({"gen_ai.system": "openai.chat"}, "openai"),
        ({"gen_ai.system": "xai"}, "x_ai"),
        ({"gen_ai.system": "Langchain"}, None),
        ({"gen_ai.system": "openai", "server.address": "api.deepseek.com"}, "deepseek"),
        ({"gen_ai.system": "openai", "server.address": "x.openai.azure.com"}, "azure.ai.openai"),
        (
            {"gen_ai.system": "openai", "gen_ai.openai.api_base": "https://openrouter.ai/api/v1"},
            "openrouter",
        ),
        ({"gen_ai.system": "openai", "server.address": "localhost"}, "openai"),
        ({"server.address": "bedrock-runtime.eu-west-1.amazonaws.com"}, "aws.bedrock"),
        ({"server.address": "europe-west4-aiplatform.googleapis.com"}, "gcp.vertex_ai"),
        ({}, None),
    ],
)
def test_provider_is_named_canonically(attributes: dict[str, Any], provider: str | None) -> None:
    assert call(OTEL, GENAI | attributes).provider == provider


def test_region_comes_out_of_the_bedrock_host() -> None:
    host = {"server.address": "bedrock-runtime.eu-west-1.amazonaws.com"}

    assert call(OTEL, GENAI | host).region == "eu-west-1"


def exception(kind: str, text: str) -> Event:
    return Event("exception", 1, {"exception.type": kind, "exception.message": text})


@pytest.mark.parametrize(
    ("more", "attributes", "outcome"),
    [
        ({}, {}, ("success", None, None)),
        ({"status_code": 1}, {}, ("success", None, None)),
        ({"status_code": 2, "status_message": "no"}, {}, ("error", None, "no")),
        ({}, {"error.type": "RateLimitError"}, ("error", "RateLimitError", None)),
        (
            {"status_code": 2},
            {"error.type": "openai.APITimeoutError"},
            ("timeout", "openai.APITimeoutError", None),
        ),
        (
            {"status_code": 2},
            {"error.type": "CancelledError"},
            ("cancelled", "CancelledError", None),
        ),
        ({"status_code": 2, "events": (exception("E", "boom"),)}, {}, ("error", "E", "boom")),
    ],
)
def test_outcome_is_told(
    more: dict[str, Any], attributes: dict[str, Any], outcome: tuple[str | None, ...]
) -> None:
    found = call(OTEL, GENAI | attributes, **more)

    assert (found.status, found.error_type, found.error_message) == outcome


@pytest.mark.parametrize(
    ("attributes", "field", "value"),
    [
        ({"user.id": "ann"}, "user_id", "ann"),
        ({"enduser.id": "ann"}, "user_id", "ann"),
        ({"spantoll.user_id": "bob", "user.id": "ann"}, "user_id", "bob"),
        ({"gen_ai.conversation.id": "c1"}, "session_id", "c1"),
        ({"traceloop.association.properties.session_id": "s"}, "session_id", "s"),
        ({"ai.telemetry.metadata.userId": "u"}, "user_id", "u"),
        ({"metadata.user_api_key_team_id": "t"}, "team", "t"),
        ({"customer.id": 42}, "customer_id", "42"),
        ({}, "service_name", "shop"),
        ({"deployment.environment.name": "prod"}, "environment", "prod"),
    ],
)
def test_attribution_is_read(attributes: dict[str, Any], field: str, value: str) -> None:
    assert getattr(call(OTEL, GENAI | attributes).attribution, field) == value


def test_span_attributes_outrank_the_resource() -> None:
    resource = {"service.name": "shop", "team": "platform", "cost_center": "7"}
    attributes = GENAI | {"team": "search", "spantoll.metadata.feature": "answers"}

    found = call(OTEL, attributes, resource=resource).attribution

    assert found.team == "search"
    assert found.metadata == {"cost_center": "7", "feature": "answers"}


SECRET = "the-prompt-nobody-may-keep"
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

    found = call(scope, GENAI | kinds | content)

    assert SECRET not in repr(found)


ATTRIBUTE_KEYS = sorted(
    {key for _, attributes, _ in READINGS.values() for key in attributes}
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


def test_markers_are_found_in_encoded_spans() -> None:
    assert could_be_genai(b"..gen_ai.usage..")
    assert could_be_genai(b"..claude_code..")
    assert not could_be_genai(b"..http.request.method..")


def test_semantic_kernel_spells_errors_and_reasons_its_own_way() -> None:
    told = {
        "error.type": "<class 'openai.RateLimitError'>",
        "gen_ai.response.finish_reason": "FinishReason.STOP,FinishReason.LENGTH",
    }

    found = call("semantic_kernel.utils.telemetry.model_diagnostics.decorators", GENAI | told)

    assert (found.error_type, found.finish_reasons) == ("openai.RateLimitError", ("stop", "length"))


def test_streams_costs_tiers_and_times_are_read() -> None:
    attributes = GENAI | {
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.response.finish_reasons": '["stop"]',
        "openai.request.service_tier": "auto",
        "openai.response.service_tier": "flex",
        "gen_ai.usage.cost.amount": 0.5,
        "gen_ai.usage.cost.source": "provider",
        "spantoll.usage.units.web_searches": 2,
        "spantoll.request.batch": True,
        "server.port": 443,
    }

    found = call(OTEL, attributes)

    assert (found.stream, found.time_to_first_chunk_ns) == (True, 250_000_000)
    assert found.finish_reasons == ("stop",)
    assert (found.service_tier_requested, found.service_tier) == ("auto", "flex")
    assert found.reported_cost is not None
    assert (str(found.reported_cost.amount), found.reported_cost.source) == ("0.5", "provider")
    assert found.usage.extra == {"web_searches": 2}
    assert (found.batch, found.server_port) == (True, 443)


@pytest.mark.parametrize("attributes", [{}, {"gen_ai.usage.total_tokens": 5}])
def test_usage_nobody_can_price_is_missing(attributes: dict[str, Any]) -> None:
    assert call("somebody", GENAI | attributes).usage_quality == "missing"


def test_a_price_that_we_put_on_a_span_is_no_report() -> None:
    cost = {"gen_ai.usage.cost.amount": 0.5, "gen_ai.usage.cost.currency": "USD"}
    source = "gen_ai.usage.cost.source"

    passed_on = call(OTEL, GENAI | cost | {source: "spantoll/catalogue@0123456789ab"})
    reported = call(OTEL, GENAI | cost | {source: "provider"})

    assert passed_on.reported_cost is None
    assert reported.reported_cost is not None
