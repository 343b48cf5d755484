"""Where Gemini's API has its values, as google-genai's objects.

`prompt_token_count` holds the cached tokens; results of server-side tools are billed as input and
counted beside it, thoughts are billed as output and counted beside the candidates
(ai.google.dev/api/generate-content, UsageMetadata). In a stream every chunk counts from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spantoll.instrumentation.caller import CallerTable
from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.providers.google_genai import content
from spantoll.instrumentation.reading import Reading, Sum, Table, Via, pick
from spantoll.instrumentation.values import count_items, lower_name, unless_one
from spantoll.semconv import attributes as keys

__all__ = ["CONTENT", "EMBEDDING", "IMAGE", "VIDEO", "live_usage"]

TIERS = {
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "PROVISIONED_THROUGHPUT": "provisioned",
}
JSON = "application/json"


def _config(name: str, convert: Callable[[Any], Any] | None = None) -> Reading:
    """Return the places of a setting; a caller's dict may have the names of the wire."""
    first, *rest = name.split("_")
    spelled = (f"config.{name}", "config." + first + "".join(map(str.title, rest)))
    if convert is not None:
        return tuple(Via(path, convert) for path in spelled)
    return spelled


def _tokens_of(modality: str, *details: str) -> Callable[[Any], int | None]:
    """Sum the counts of a modality over lists of a usage object; None where no list has it."""

    def count(usage: Any) -> int | None:
        counts = [
            pick(entry, "token_count") or 0
            for name in details
            for entry in pick(usage, name) or ()
            if getattr(pick(entry, "modality"), "value", pick(entry, "modality")) == modality
        ]
        return sum(counts) if counts else None

    return count


def _modalities(table: Mapping[str, str], *details: str) -> Table:
    return {
        key: Via("usage_metadata", _tokens_of(modality, *details))
        for modality, key in table.items()
    }


def _searches(candidates: Any) -> int | None:
    queries = [pick(each, "grounding_metadata.web_search_queries") or () for each in candidates]
    return sum(map(len, queries)) or None


def _spoken(modalities: Any) -> str | None:
    kinds = {lower_name(each) for each in modalities}
    return "speech" if "audio" in kinds else "image" if "image" in kinds else None


def _finish_by_index(chunk: Any) -> dict[int, Any]:
    return {
        pick(candidate, "index") or 0: reason
        for candidate in pick(chunk, "candidates") or ()
        if (reason := pick(candidate, "finish_reason"))
    }


INPUT = {
    "TEXT": keys.USAGE_TEXT_INPUT,
    "IMAGE": keys.USAGE_IMAGE_INPUT,
    "AUDIO": keys.USAGE_AUDIO_INPUT,
    "VIDEO": keys.SPANTOLL_VIDEO_INPUT,
    "DOCUMENT": keys.SPANTOLL_DOCUMENT_INPUT,
}
OUTPUT = {
    "TEXT": keys.USAGE_TEXT_OUTPUT,
    "IMAGE": keys.USAGE_IMAGE_OUTPUT,
    "AUDIO": keys.USAGE_AUDIO_OUTPUT,
    "VIDEO": keys.SPANTOLL_VIDEO_OUTPUT,
}
CACHED = {
    modality: f"spantoll.usage.cache_read.{modality.lower()}.input_tokens" for modality in INPUT
}
"""`MediaModality` -> key; the convention has keys for text, image and audio only."""

USAGE: Table = {
    keys.USAGE_INPUT_TOKENS: Sum(
        "usage_metadata.prompt_token_count", "usage_metadata.tool_use_prompt_token_count"
    ),
    keys.USAGE_OUTPUT_TOKENS: Sum(
        "usage_metadata.candidates_token_count", "usage_metadata.thoughts_token_count"
    ),
    keys.USAGE_CACHE_READ: "usage_metadata.cached_content_token_count",
    keys.USAGE_REASONING: "usage_metadata.thoughts_token_count",
    # What server-side tools returned is input, and counted by modality beside the prompt.
    **_modalities(INPUT, "prompt_tokens_details", "tool_use_prompt_tokens_details"),
    **_modalities(OUTPUT, "candidates_tokens_details"),
    **_modalities(CACHED, "cache_tokens_details"),
    # Gemini 2.5 bills a grounded answer, Gemini 3 each of its queries.
    keys.SPANTOLL_USAGE_PREFIX + "google_searches": Via("candidates", _searches),
    keys.SPANTOLL_SERVICE_TIER: Via(
        "usage_metadata.traffic_type", lambda kind: TIERS.get(getattr(kind, "value", kind))
    ),
}

LABELS: CallerTable = {"metadata": "config.labels"}
"""Vertex AI's labels, by which Google Cloud splits its own bill."""


def live_usage() -> Table:
    """Return the counters of a message of Gemini Live, whose output has another name."""
    return {
        **USAGE,
        keys.USAGE_OUTPUT_TOKENS: Sum(
            "usage_metadata.response_token_count", "usage_metadata.thoughts_token_count"
        ),
        **_modalities(OUTPUT, "response_tokens_details"),
    }


CONTENT = Call(
    "generate_content",
    request={
        keys.REQUEST_MODEL: "model",
        keys.REQUEST_MAX_TOKENS: _config("max_output_tokens"),
        keys.REQUEST_TEMPERATURE: _config("temperature"),
        keys.REQUEST_TOP_P: _config("top_p"),
        keys.REQUEST_TOP_K: _config("top_k"),
        keys.REQUEST_SEED: _config("seed"),
        keys.REQUEST_STOP_SEQUENCES: _config("stop_sequences"),
        keys.REQUEST_PRESENCE_PENALTY: _config("presence_penalty"),
        keys.REQUEST_FREQUENCY_PENALTY: _config("frequency_penalty"),
        keys.REQUEST_CHOICE_COUNT: _config("candidate_count", unless_one),
        keys.REQUEST_REASONING_LEVEL: (
            Via("config.thinking_config.thinking_level", lower_name),
            Via("config.thinkingConfig.thinkingLevel", lower_name),
        ),
        keys.OUTPUT_TYPE: (
            Via("config.response_modalities", _spoken),
            Via("config.response_mime_type", {JSON: "json", "text/plain": "text"}.get),
            Via("config.responseMimeType", {JSON: "json", "text/plain": "text"}.get),
        ),
        keys.SPANTOLL_SERVICE_TIER_REQUESTED: _config("service_tier", lower_name),
    },
    caller=LABELS,
    response={
        keys.RESPONSE_ID: "response_id",
        keys.RESPONSE_MODEL: "model_version",
        keys.RESPONSE_FINISH_REASONS: "candidates[].finish_reason",
        **USAGE,
    },
    chunk={
        keys.RESPONSE_ID: "response_id",
        keys.RESPONSE_MODEL: "model_version",
        keys.RESPONSE_FINISH_REASONS: _finish_by_index,
        **USAGE,
    },
    has_values=lambda chunk: chunk.usage_metadata is not None,
    messages=content.messages,
    answers=content.answers,
    stream_answers=content.chunks,
)


def _embedded(embeddings: Any) -> int | None:
    counts = [pick(each, "statistics.token_count") for each in embeddings]
    known = [int(count) for count in counts if count is not None]
    return sum(known) if known else None


EMBEDDING = Call(
    "embeddings",
    request={
        keys.REQUEST_MODEL: "model",
        keys.EMBEDDINGS_DIMENSION_COUNT: _config("output_dimensionality"),
    },
    response={
        # Vertex AI counts each text; Gemini's own API counts newer models only.
        keys.USAGE_INPUT_TOKENS: (
            "usage_metadata.prompt_token_count",
            Via("embeddings", _embedded),
        ),
    },
)

IMAGE = Call(
    "image_generation",
    request={
        keys.REQUEST_MODEL: "model",
        keys.REQUEST_SEED: _config("seed"),
        keys.SPANTOLL_IMAGE_SIZE: _config("image_size"),
    },
    caller=LABELS,
    response={keys.SPANTOLL_IMAGES: Via("generated_images", count_items)},
    constant={keys.OUTPUT_TYPE: "image"},
)


def _video_ms(config: Any) -> int | None:
    seconds = pick(config, "duration_seconds") or pick(config, "durationSeconds")
    count = pick(config, "number_of_videos") or pick(config, "numberOfVideos") or 1
    return int(seconds) * int(count) * 1000 if seconds else None


VIDEO = Call(
    "video_generation",
    request={
        keys.REQUEST_MODEL: "model",
        keys.SPANTOLL_IMAGE_SIZE: _config("resolution"),
        # The answer is an operation: the seconds requested are billed.
        keys.SPANTOLL_VIDEO_MS: Via("config", _video_ms),
    },
    caller=LABELS,
    response={keys.RESPONSE_ID: "name"},
)
