"""Billing rules of providers that a price list does not carry, each with its source.

Input: nothing, these are tables. Output: what `bill` and `arithmetic` look up by price list, model
or unit.
"""

from __future__ import annotations

import re
from types import MappingProxyType

__all__ = [
    "ALWAYS_SEARCHES",
    "AUDIO_MODELS",
    "IMAGE_MODELS",
    "INPUT_AUDIO_IS_INPUT",
    "INPUT_IMAGE_IS_INPUT",
    "MEDIA_OPERATIONS",
    "MEDIUM_OF_MODEL",
    "MINIMUM_AUDIO_MS",
    "REASONING_BESIDE_OUTPUT",
    "SEARCHES_ONCE_PER_REQUEST",
    "SEARCH_METRICS",
    "SUBSTITUTE_METRICS",
    "UNIT_METRICS",
]

INPUT_IMAGE_IS_INPUT = frozenset(
    {"anthropic", "aws", "azure", "azure_foundry", "google", "openai", "vertex", "x-ai"}
)
"""Price lists whose image input is billed as input tokens unless a row names its own rate.

https://platform.openai.com/docs/guides/images-vision#calculating-costs
https://docs.claude.com/en/docs/build-with-claude/vision#calculate-image-costs
https://ai.google.dev/gemini-api/docs/pricing ("text / image / video")
"""

INPUT_AUDIO_IS_INPUT = frozenset({"google", "vertex"})
"""https://ai.google.dev/gemini-api/docs/pricing names an audio rate where it differs."""

MINIMUM_AUDIO_MS = MappingProxyType({"groq": 10_000})
"""Shortest transcription that is billed: https://console.groq.com/docs/speech-to-text."""

MEDIA_OPERATIONS = frozenset({"image_generation", "speech", "transcription"})
"""Calls whose tokens, characters, images and seconds are measures of one and the same thing."""

MEDIUM_OF_MODEL = (
    (re.compile(r"transcribe|whisper"), "transcription"),
    (re.compile(r"^(chat)?gpt-image|^dall-e"), "image_generation"),
    (re.compile(r"(^|-)tts(-|$)"), "speech"),
)
"""What a model can only be called for, where a span does not name the operation."""

UNIT_METRICS = MappingProxyType(
    {
        "web_search_requests": "web_searches",
        "web_search_preview_requests": "web_search_preview",
        "x_search_requests": "social_searches",
        "file_search_calls": "file_searches",
        "file_search_requests": "file_searches",
        "web_fetch_requests": "web_fetches",
        "code_interpreter_calls": "code_executions",
        "rerank_searches": "search_units",
        # Fine-tuning is billed by the token, and no total of a request contains it.
        "training_tokens": "training",
    }
)
"""Units of `Usage.extra` whose metric has another name."""

SUBSTITUTE_METRICS = MappingProxyType(
    {
        # "Web search preview (reasoning models)" costs what web search does:
        # https://developers.openai.com/api/docs/pricing
        "web_search_preview": "web_searches",
        # Gemini 3 and Perplexity bill each query: https://ai.google.dev/gemini-api/docs/pricing
        "search_queries": "web_searches",
        # Voice sessions are billed by the hour of audio: https://docs.x.ai/developers/pricing
        "session_ms": "audio_ms",
    }
)
"""Metric to the one whose price holds where it has none of its own."""

SEARCH_METRICS = frozenset(
    {"web_searches", "web_search_preview", "search_queries", "grounded_prompts", "social_searches"}
)

SEARCHES_ONCE_PER_REQUEST = re.compile(r"^gemini-(1|2)")
"""Gemini before 3 bills a grounded prompt, however many queries it took:
https://ai.google.dev/gemini-api/docs/google-search#pricing"""

AUDIO_MODELS = re.compile(r"(^|-)(audio|realtime|native-audio)(-|$)")
"""Models that hear and speak in any operation: totals without their audio share are a mixture:
https://platform.openai.com/docs/guides/realtime-costs"""

IMAGE_MODELS = re.compile(r"(^|-)image(-|$)|nano-banana")
"""Models that draw in any operation: their images are output tokens at up to twelve times the rate
of text: https://ai.google.dev/gemini-api/docs/pricing#gemini-2.5-flash-image"""

ALWAYS_SEARCHES = re.compile(r"-search-(preview|api)")
"""Models that search the web in every request:
https://platform.openai.com/docs/guides/tools-web-search?api-mode=chat"""

REASONING_BESIDE_OUTPUT = frozenset({"perplexity"})
"""Price lists whose reasoning tokens may exceed, and are then not part of, the output tokens:
https://docs.perplexity.ai/getting-started/models/models/sonar-deep-research"""
