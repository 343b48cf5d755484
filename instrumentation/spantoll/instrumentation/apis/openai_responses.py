"""What the Responses API of OpenAI and those with its shape have in common: requests and usage."""

from __future__ import annotations

from spantoll.instrumentation.apis.openai_chat import OUTPUT_TYPES
from spantoll.instrumentation.reading import Table, Via
from spantoll.semconv import attributes as keys

__all__ = ["REQUEST", "USAGE"]

REQUEST: Table = {
    keys.REQUEST_MODEL: "model",
    keys.REQUEST_TEMPERATURE: "temperature",
    keys.REQUEST_TOP_P: "top_p",
    keys.REQUEST_MAX_TOKENS: "max_output_tokens",
    keys.REQUEST_REASONING_LEVEL: "reasoning.effort",
    keys.OUTPUT_TYPE: Via("text.format.type", OUTPUT_TYPES.get),
}

USAGE: Table = {
    keys.USAGE_INPUT_TOKENS: "usage.input_tokens",
    keys.USAGE_OUTPUT_TOKENS: "usage.output_tokens",
    keys.USAGE_CACHE_READ: "usage.input_tokens_details.cached_tokens",
    keys.USAGE_CACHE_WRITE: "usage.input_tokens_details.cache_write_tokens",
    keys.USAGE_REASONING: "usage.output_tokens_details.reasoning_tokens",
}
