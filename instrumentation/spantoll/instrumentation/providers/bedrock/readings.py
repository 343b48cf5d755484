"""Where Amazon Bedrock's runtime has its values.

`inputTokens` leaves out what was read from a cache or written to one
(docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html). InvokeModel passes the body of
each model family on, which its shape identifies. Where it has no counters (Mistral, Cohere), the
response headers and the metrics of a stream's last chunk do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from spantoll.instrumentation.apis import anthropic_content
from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.providers.bedrock import agents, content
from spantoll.instrumentation.reading import Table, Via, pick
from spantoll.instrumentation.values import as_list, count_items, whole_milliseconds
from spantoll.semconv import attributes as keys

__all__ = [
    "ASYNC_EMBED",
    "ASYNC_INVOKE",
    "BATCH",
    "CONVERSE",
    "CONVERSE_STREAM",
    "EMBED",
    "HEADERS",
    "IMAGE",
    "INVOKE",
    "RERANK",
    "RERANK_SOURCES",
    "job_id",
    "unless_standard",
]

_FRESH, _WHOLE, _METRIC_IN = "_fresh", "_whole", "_metric_in"
_OUTPUT, _METRIC_OUT = "_output", "_metric_out"
_METRIC_READ, _METRIC_WRITE = "_metric_read", "_metric_write"
METRICS = "amazon-bedrock-invocationMetrics"

HEADERS = {
    "x-amzn-bedrock-input-token-count": _METRIC_IN,
    "x-amzn-bedrock-output-token-count": _METRIC_OUT,
    "x-amzn-bedrock-cache-read-input-token-count": _METRIC_READ,
    "x-amzn-bedrock-cache-write-input-token-count": _METRIC_WRITE,
}
"""Response header of InvokeModel -> what it counts."""


def _conclude(found: dict[str, Any]) -> None:
    """Add up the totals; a model's own counters go before those of the service."""
    fresh, whole = found.pop(_FRESH, None), found.pop(_WHOLE, None)
    output, metric_out = found.pop(_OUTPUT, None), found.pop(_METRIC_OUT, None)
    metric_in = found.pop(_METRIC_IN, None)
    for metric, key in (
        (_METRIC_READ, keys.USAGE_CACHE_READ),
        (_METRIC_WRITE, keys.USAGE_CACHE_WRITE),
    ):
        count = found.pop(metric, None)
        if type(count) is int:
            found.setdefault(key, count)
    apart = fresh if type(fresh) is int else metric_in
    if type(whole) is int:
        found[keys.USAGE_INPUT_TOKENS] = whole
    elif type(apart) is int:
        cached = found.get(keys.USAGE_CACHE_READ, 0) + found.get(keys.USAGE_CACHE_WRITE, 0)
        found[keys.USAGE_INPUT_TOKENS] = apart + cached
    output = output if type(output) is int else metric_out
    if type(output) is int:
        found[keys.USAGE_OUTPUT_TOKENS] = output


def _written_for(ttl: str) -> Callable[[Any], int | None]:
    def count(details: Any) -> int | None:
        counts = [pick(each, "inputTokens") or 0 for each in details if pick(each, "ttl") == ttl]
        return sum(counts) if counts else None

    return count


def _usage(path: str) -> Table:
    return {
        _FRESH: f"{path}.inputTokens",
        _OUTPUT: f"{path}.outputTokens",
        keys.USAGE_CACHE_READ: f"{path}.cacheReadInputTokens",
        keys.USAGE_CACHE_WRITE: f"{path}.cacheWriteInputTokens",
        keys.SPANTOLL_CACHE_WRITE_1H: Via(f"{path}.cacheDetails", _written_for("1h")),
    }


def unless_standard(latency: Any) -> Any:
    """Return the latency that a call was served with; None for the usual one."""
    return None if latency == "standard" else latency


REQUEST: Table = {
    keys.REQUEST_MODEL: "modelId",
    keys.REQUEST_MAX_TOKENS: "inferenceConfig.maxTokens",
    keys.REQUEST_TEMPERATURE: "inferenceConfig.temperature",
    keys.REQUEST_TOP_P: "inferenceConfig.topP",
    keys.REQUEST_TOP_K: (
        "additionalModelRequestFields.top_k",
        "additionalModelRequestFields.inferenceConfig.topK",
    ),
    keys.REQUEST_STOP_SEQUENCES: "inferenceConfig.stopSequences",
    keys.SPANTOLL_SERVICE_TIER_REQUESTED: "serviceTier.type",
    keys.OUTPUT_TYPE: Via("outputConfig.textFormat.type", {"json_schema": "json"}.get),
    "aws.bedrock.guardrail.id": "guardrailConfig.guardrailIdentifier",
}

CONVERSE = Call(
    "chat",
    request=REQUEST,
    caller={"metadata": "requestMetadata"},
    response={
        **_usage("usage"),
        keys.RESPONSE_FINISH_REASONS: Via("stopReason", as_list),
        keys.SPANTOLL_SERVICE_TIER: "serviceTier.type",
        keys.SPANTOLL_SPEED: Via("performanceConfig.latency", unless_standard),
        keys.SPANTOLL_REQUEST_ID: "ResponseMetadata.RequestId",
        **agents.guardrail_units("trace.guardrail"),
    },
    conclude=_conclude,
    messages=content.messages,
    answers=content.answers,
)

CONVERSE_STREAM = replace(
    CONVERSE,
    chunk={
        **_usage("metadata.usage"),
        keys.RESPONSE_FINISH_REASONS: Via("messageStop.stopReason", as_list),
        keys.SPANTOLL_SERVICE_TIER: "metadata.serviceTier.type",
        keys.SPANTOLL_SPEED: Via("metadata.performanceConfig.latency", unless_standard),
        **agents.guardrail_units("metadata.trace.guardrail"),
    },
    has_values=lambda event: "metadata" in event or "messageStop" in event,
    stream_answers=content.events,
)


def _reason_of_choice(choices: Any) -> Any:
    """Return why the first choice ended, in OpenAI's word or DeepSeek's and Mistral's."""
    return as_list(pick(choices[0], "finish_reason") or pick(choices[0], "stop_reason"))


INVOKED: Table = {
    keys.RESPONSE_ID: ("message.id", "id", "response_id"),
    # Anthropic and OpenAI models name themselves.
    keys.RESPONSE_MODEL: ("message.model", "model"),
    _FRESH: (
        "usage.input_tokens",
        "message.usage.input_tokens",
        "usage.inputTokens",
        "metadata.usage.inputTokens",
    ),
    _WHOLE: ("usage.prompt_tokens", "prompt_token_count", "inputTextTokenCount"),
    _OUTPUT: (
        "usage.output_tokens",
        "message.usage.output_tokens",
        "usage.outputTokens",
        "metadata.usage.outputTokens",
        "usage.completion_tokens",
        "generation_token_count",
        "totalOutputTextTokenCount",
        Via("results", lambda results: sum(pick(each, "tokenCount") or 0 for each in results)),
    ),
    keys.USAGE_CACHE_READ: (
        "usage.cache_read_input_tokens",
        "message.usage.cache_read_input_tokens",
        "usage.cacheReadInputTokenCount",
        "metadata.usage.cacheReadInputTokenCount",
        "usage.prompt_tokens_details.cached_tokens",
    ),
    keys.USAGE_CACHE_WRITE: (
        "usage.cache_creation_input_tokens",
        "message.usage.cache_creation_input_tokens",
        "usage.cacheWriteInputTokenCount",
        "metadata.usage.cacheWriteInputTokenCount",
    ),
    keys.SPANTOLL_CACHE_WRITE_1H: (
        "usage.cache_creation.ephemeral_1h_input_tokens",
        "message.usage.cache_creation.ephemeral_1h_input_tokens",
    ),
    keys.USAGE_REASONING: (
        "usage.output_tokens_details.thinking_tokens",
        "usage.completion_tokens_details.reasoning_tokens",
    ),
    _METRIC_IN: f"{METRICS}.inputTokenCount",
    _METRIC_OUT: f"{METRICS}.outputTokenCount",
    _METRIC_READ: f"{METRICS}.cacheReadInputTokenCount",
    _METRIC_WRITE: f"{METRICS}.cacheWriteInputTokenCount",
    keys.SPANTOLL_IMAGES: Via("images", count_items),
    keys.RESPONSE_FINISH_REASONS: (
        Via("delta.stop_reason", as_list),
        Via("stop_reason", as_list),
        Via("stopReason", as_list),
        Via("messageStop.stopReason", as_list),
        Via("finish_reason", as_list),
        Via("completionReason", as_list),
        Via("results", lambda results: as_list(pick(results[0], "completionReason"))),
        Via("outputs", lambda outputs: as_list(pick(outputs[0], "stop_reason"))),
        Via("choices", _reason_of_choice),
        Via("finishReason", as_list),
    ),
    **agents.guardrail_units("amazon-bedrock-trace.guardrail"),
}


def _is_anthropic(body: Any) -> bool:
    return "anthropic_version" in (body.get("body") or ())


INVOKE = Call(
    "chat",
    request={
        keys.REQUEST_MODEL: "modelId",
        keys.REQUEST_MAX_TOKENS: (
            "body.max_tokens",
            "body.inferenceConfig.maxTokens",
            "body.max_gen_len",
            "body.textGenerationConfig.maxTokenCount",
        ),
        keys.REQUEST_TEMPERATURE: (
            "body.temperature",
            "body.inferenceConfig.temperature",
            "body.textGenerationConfig.temperature",
        ),
        keys.REQUEST_TOP_P: (
            "body.top_p",
            "body.p",
            "body.inferenceConfig.topP",
            "body.textGenerationConfig.topP",
        ),
        keys.REQUEST_TOP_K: ("body.top_k", "body.k", "body.inferenceConfig.topK"),
        keys.REQUEST_STOP_SEQUENCES: (
            "body.stop_sequences",
            "body.stop",
            "body.inferenceConfig.stopSequences",
            "body.textGenerationConfig.stopSequences",
        ),
        keys.SPANTOLL_SERVICE_TIER_REQUESTED: "serviceTier",
        "aws.bedrock.guardrail.id": "guardrailIdentifier",
    },
    # Anthropic's and OpenAI's bodies name their user.
    caller={"metadata": "requestMetadata", "user": ("body.metadata.user_id", "body.user")},
    response=INVOKED,
    conclude=_conclude,
    messages=(
        lambda request: (
            anthropic_content.messages(request["body"]) if _is_anthropic(request) else {}
        )
    ),
    answers=anthropic_content.answers,
    stream_answers=anthropic_content.events,
)

EMBED = replace(
    INVOKE,
    operation="embeddings",
    request={
        keys.REQUEST_MODEL: "modelId",
        keys.EMBEDDINGS_DIMENSION_COUNT: (
            "body.dimensions",
            "body.output_dimension",
            "body.embeddingConfig.outputEmbeddingLength",
            "body.singleEmbeddingParams.embeddingDimension",
        ),
        # Titan's and Nova's: an image is billed beside the text, and no answer counts it.
        keys.SPANTOLL_IMAGES: (
            Via("body.inputImage", lambda _: 1),
            Via("body.singleEmbeddingParams.image", lambda _: 1),
        ),
        keys.SPANTOLL_SERVICE_TIER_REQUESTED: "serviceTier",
    },
)

IMAGE = replace(
    INVOKE,
    operation="image_generation",
    request={
        keys.REQUEST_MODEL: "modelId",
        keys.SPANTOLL_IMAGE_QUALITY: "body.imageGenerationConfig.quality",
        keys.SPANTOLL_IMAGE_SIZE: Via(
            "body.imageGenerationConfig", lambda config: f"{config['width']}x{config['height']}"
        ),
        keys.REQUEST_SEED: "body.imageGenerationConfig.seed",
    },
    constant={keys.OUTPUT_TYPE: "image"},
)

RERANK = Call("rerank", request={keys.REQUEST_MODEL: "modelId"})
"""Billed by the query of 100 chunks of 512 tokens, which no answer counts: the usage is missing."""
RERANK_SOURCES = Call(
    "rerank",
    request={
        keys.REQUEST_MODEL: (
            "rerankingConfiguration.bedrockRerankingConfiguration.modelConfiguration.modelArn"
        )
    },
)
"""Rerank of bedrock-agent-runtime, likewise."""

SHOT_MS = 6000
"""A shot of Nova Reel (docs.aws.amazon.com/nova/latest/userguide/video-generation.html)."""

ASYNC_INVOKE = Call(
    "video_generation",
    request={
        keys.REQUEST_MODEL: "modelId",
        # Nova Reel's, then Luma's names: what is billed is what was asked for.
        keys.SPANTOLL_VIDEO_MS: (
            Via("modelInput.videoGenerationConfig.durationSeconds", whole_milliseconds),
            Via("modelInput.duration", lambda text: whole_milliseconds(text.removesuffix("s"))),
            Via("modelInput.multiShotManualParams.shots", lambda shots: len(shots) * SHOT_MS),
        ),
        keys.SPANTOLL_IMAGE_SIZE: (
            "modelInput.videoGenerationConfig.dimension",
            "modelInput.resolution",
        ),
    },
    response={keys.RESPONSE_ID: "invocationArn"},
)
"""StartAsyncInvoke; its result is a file in S3."""

ASYNC_EMBED = Call(
    "embeddings",
    request={keys.REQUEST_MODEL: "modelId"},
    response={keys.RESPONSE_ID: "invocationArn"},
)
"""Of a file of audio or video, whose length no answer reports: the usage is missing."""


def job_id(arn: str) -> str:
    """Return the id of a batch job, by which S3's keys name it, from the job's ARN."""
    return arn.rpartition("/")[2]


BATCH = Call(
    "create_batch",
    request={keys.REQUEST_MODEL: "modelId"},
    response={keys.SPANTOLL_METADATA_PREFIX + "batch_id": Via("jobArn", job_id)},
    constant={keys.SPANTOLL_BATCH: True},
    billed=False,
    submits=keys.SPANTOLL_METADATA_PREFIX + "batch_id",
)
"""CreateModelInvocationJob; its results are files in S3."""
