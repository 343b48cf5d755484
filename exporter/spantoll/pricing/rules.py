"""Billing rules of providers that a price list does not carry, each with its source."""

from __future__ import annotations

import re
from types import MappingProxyType

__all__ = [
    "FREE_UNITS",
    "INPUT_AUDIO_IS_INPUT",
    "INPUT_IMAGE_IS_INPUT",
    "MEDIA_OPERATIONS",
    "MEDIUM_OF_MODEL",
    "MINIMUM_AUDIO_MS",
    "UNIT_METRICS",
]

INPUT_IMAGE_IS_INPUT = frozenset({"anthropic", "aws", "azure", "google", "openai", "x-ai"})
"""Price lists whose image input is billed as input tokens unless a row names its own rate.

https://platform.openai.com/docs/guides/images-vision#calculating-costs
https://docs.claude.com/en/docs/build-with-claude/vision#calculate-image-costs
https://ai.google.dev/gemini-api/docs/pricing ("text / image / video")
"""

INPUT_AUDIO_IS_INPUT = frozenset({"google"})
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
        "file_search_calls": "file_searches",
        "code_interpreter_calls": "code_executions",
        "rerank_searches": "search_units",
    }
)
"""Units of `Usage.extra` whose metric has another name."""

FREE_UNITS = frozenset({"web_fetches", "web_fetch_requests"})
"""Tool calls that cost nothing beyond their tokens:
https://docs.claude.com/en/docs/agents-and-tools/tool-use/web-fetch-tool#usage-and-pricing."""
