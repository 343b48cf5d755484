"""The attribute keys that many dialects share, by field of `fields.Found`.

`GENAI` is the GenAI convention of OpenTelemetry; a dialect that writes it takes the whole table and
changes what it spells differently. `SHARED` is read for every dialect, after its own table.
"""

from __future__ import annotations

from collections.abc import Mapping

from spantoll.semconv import attributes as keys

__all__ = ["GENAI", "SHARED", "Keys"]

Keys = Mapping[str, tuple[str, ...]]
"""Field -> attribute keys in order: the first that a span carries is read, the others are not."""

GENAI: Keys = {
    "operation": ("gen_ai.operation.name",),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "request_model": ("gen_ai.request.model",),
    "response_model": ("gen_ai.response.model",),
    "response_id": ("gen_ai.response.id",),
    "input": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.response.input_tokens",
        "gen_ai.response.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.usage.input_tokens",
    ),
    "output": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "gen_ai.response.output_tokens",
        "gen_ai.response.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.usage.output_tokens",
    ),
    "total": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens"),
    "cache_read": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_read_tokens",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cached_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.usage.prompt_tokens_details.cached_tokens",
        "gen_ai.usage.input_tokens_details.cached_tokens",
        "gen_ai.usage.input_tokens_details.cached",
        "gen_ai.usage.input_token_details.cache_read",
        "gen_ai.usage.cached_input_tokens",
        "gen_ai.usage.cached_tokens",
    ),
    "cache_write": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.cache_creation_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
        "gen_ai.usage.input_tokens_details.cache_write_tokens",
        "gen_ai.usage.input_token_details.cache_creation",
    ),
    "reasoning": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.output_tokens.reasoning",
        "gen_ai.usage.details.reasoning_tokens",
        "gen_ai.usage.details.thoughts_tokens",
        "gen_ai.usage.experimental.reasoning_tokens",
        "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        "gen_ai.usage.output_tokens_details.reasoning_tokens",
        "gen_ai.usage.output_tokens_details.reasoning",
        "gen_ai.usage.output_token_details.reasoning",
        "gen_ai.usage.reasoning_output_tokens",
        "gen_ai.usage.thinking_tokens",
    ),
    "audio_in": (
        "gen_ai.usage.audio.input_tokens",
        "gen_ai.usage.details.input_audio_tokens",
        "gen_ai.usage.prompt_tokens_details.audio_tokens",
        "gen_ai.usage.input_tokens_details.audio_tokens",
        "gen_ai.usage.input_token_details.audio_tokens",
        "gen_ai.usage.audio_input_tokens",
    ),
    "audio_out": (
        "gen_ai.usage.audio.output_tokens",
        "gen_ai.usage.details.output_audio_tokens",
        "gen_ai.usage.completion_tokens_details.audio_tokens",
        "gen_ai.usage.output_tokens_details.audio_tokens",
        "gen_ai.usage.audio_output_tokens",
    ),
    "image_in": ("gen_ai.usage.image.input_tokens",),
    "image_out": ("gen_ai.usage.image.output_tokens",),
    "text_in": ("gen_ai.usage.text.input_tokens",),
    "finish_reasons": ("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason"),
    "stream": ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
    "time_to_first_chunk_s": (
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.server.time_to_first_token",
    ),
    "cost": (
        keys.SPANTOLL_COST_AMOUNT,
        keys.COST_AMOUNT,
        "gen_ai.usage.cost",
        "operation.cost",
    ),
}
"""Every name the attributes of the convention have had, and those that others gave them.

Mastra writes `cached_input_tokens` and `cache_creation.1h_input_tokens`, rig `cached_input_tokens`,
Bifrost the names of OpenAI's details (`input_tokens_details.cached_tokens`). Until 2025
Microsoft.Extensions.AI of .NET wrote `gen_ai.response.input_tokens`, and Semantic Kernel
`gen_ai.response.prompt_tokens`.
"""

SHARED: Keys = {
    "server_address": (keys.SERVER_ADDRESS,),
    "server_port": (keys.SERVER_PORT,),
    "api_base": ("gen_ai.openai.api_base", "url.full"),
    "error_type": (keys.ERROR_TYPE,),
    "usage_status": (keys.SPANTOLL_USAGE_STATUS,),
    "cache_write_1h": (
        keys.SPANTOLL_CACHE_WRITE_1H,
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
        "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens",
        "gen_ai.usage.cache_creation.1h_input_tokens",
        "gen_ai.usage.cache_write_1h_tokens",
    ),
    "cache_write_5m": (
        "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
        "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens",
        "gen_ai.usage.cache_creation.5m_input_tokens",
        "gen_ai.usage.cache_write_5m_tokens",
    ),
    "images": (keys.SPANTOLL_IMAGES,),
    "audio_ms": (keys.SPANTOLL_AUDIO_MS,),
    "video_ms": (keys.SPANTOLL_VIDEO_MS,),
    "characters": (keys.SPANTOLL_CHARACTERS,),
    "image_size": (keys.SPANTOLL_IMAGE_SIZE, "gen_ai.request.image_size"),
    "image_quality": (keys.SPANTOLL_IMAGE_QUALITY, "gen_ai.request.image_quality"),
    "batch": (keys.SPANTOLL_BATCH,),
    "search_context_size": (keys.SPANTOLL_SEARCH_CONTEXT_SIZE,),
    "speed_requested": (keys.SPANTOLL_SPEED_REQUESTED,),
    "speed": (keys.SPANTOLL_SPEED,),
    "region": (keys.SPANTOLL_REGION, "cloud.region"),
    "data_residency": (keys.SPANTOLL_DATA_RESIDENCY,),
    "endpoint_scope": (keys.SPANTOLL_ENDPOINT_SCOPE,),
    "deployment": (keys.SPANTOLL_DEPLOYMENT,),
    "deployment_type": (keys.SPANTOLL_DEPLOYMENT_TYPE,),
    "provider_instance": (keys.SPANTOLL_PROVIDER_INSTANCE,),
    "request_id": (keys.SPANTOLL_REQUEST_ID, "anthropic.request.id", "aws.request_id"),
    "cache_hit": (keys.SPANTOLL_CACHE_HIT, "litellm.cache_hit"),
    "service_tier_requested": (
        keys.OPENAI_REQUEST_SERVICE_TIER,
        "gen_ai.openai.request.service_tier",
        "gen_ai.request.service_tier",
        keys.SPANTOLL_SERVICE_TIER_REQUESTED,
    ),
    "service_tier": (
        keys.OPENAI_RESPONSE_SERVICE_TIER,
        "gen_ai.openai.response.service_tier",
        "gen_ai.response.service_tier",
        "anthropic.response.service_tier",
        keys.SPANTOLL_SERVICE_TIER,
    ),
    "cost_ticks": ("gen_ai.usage.cost_in_usd_ticks",),
    "cost_currency": (keys.SPANTOLL_COST_CURRENCY, keys.COST_CURRENCY),
    "cost_source": (keys.SPANTOLL_COST_SOURCE, keys.COST_SOURCE),
}
"""The server, the outcome and what our own instrumentation adds to the convention."""
