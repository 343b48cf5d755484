"""Where Ollama's API has its values: chat, generate and embeddings."""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation.apis import openai_content
from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.providers.ollama import content
from spantoll.instrumentation.reading import Table, Via
from spantoll.instrumentation.values import as_list
from spantoll.semconv import attributes as keys

__all__ = ["CALLS"]


def _output_type(wanted: Any) -> str | None:
    return "json" if wanted == "json" or isinstance(wanted, dict) else None


def _level(think: Any) -> str | None:
    return think if isinstance(think, str) else None


REQUEST: Table = {
    keys.REQUEST_MODEL: "model",
    keys.REQUEST_MAX_TOKENS: "options.num_predict",
    keys.REQUEST_TEMPERATURE: "options.temperature",
    keys.REQUEST_TOP_P: "options.top_p",
    keys.REQUEST_TOP_K: "options.top_k",
    keys.REQUEST_SEED: "options.seed",
    keys.REQUEST_PRESENCE_PENALTY: "options.presence_penalty",
    keys.REQUEST_FREQUENCY_PENALTY: "options.frequency_penalty",
    keys.REQUEST_STOP_SEQUENCES: Via("options.stop", as_list),
    keys.REQUEST_REASONING_LEVEL: Via("think", _level),
    keys.OUTPUT_TYPE: Via("format", _output_type),
}
RESPONSE: Table = {
    keys.RESPONSE_MODEL: "model",
    # Left out by the server where the whole prompt was in its cache: unknown, not 0.
    keys.USAGE_INPUT_TOKENS: "prompt_eval_count",
    keys.USAGE_OUTPUT_TOKENS: "eval_count",
    keys.RESPONSE_FINISH_REASONS: Via("done_reason", as_list),
}

CHAT = Call(
    "chat",
    request=REQUEST,
    response=RESPONSE,
    has_values=lambda chunk: chunk.done,
    messages=openai_content.chat_messages,
    answers=content.answers,
    stream_answers=content.stream_answers,
)
GENERATE = Call(
    "text_completion",
    request=REQUEST,
    response=RESPONSE,
    has_values=lambda chunk: chunk.done,
    messages=content.prompt,
    answers=content.answers,
    stream_answers=content.stream_answers,
)
EMBED = Call(
    "embeddings",
    request={keys.REQUEST_MODEL: "model", keys.EMBEDDINGS_DIMENSION_COUNT: "dimensions"},
    response={keys.RESPONSE_MODEL: "model", keys.USAGE_INPUT_TOKENS: "prompt_eval_count"},
)
CALLS = {
    "ChatResponse": CHAT,
    "GenerateResponse": GENERATE,
    "EmbedResponse": EMBED,
    "EmbeddingsResponse": EMBED,
}
"""Class of the response -> call."""
