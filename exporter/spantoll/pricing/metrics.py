"""The metrics prices are quoted in, and the number of units a price may be for.

A metric may carry what a price of it depends on: `images size=1024x1024 quality=hd`,
`video_ms size=720p`, `requests search=high`. The most specific price that matches a call holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["METRIC_UNITS", "qualified", "split_metric"]

_TOKENS = (1_000_000,)
_COUNT = (1, 1_000)
_TIME_MS = (1_000, 60_000, 3_600_000)

METRIC_UNITS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "input",
                "cache_read",
                "cache_write",
                "cache_write_1h",
                "input_audio",
                "input_image",
                "input_video",
                "cache_read_audio",
                "cache_read_image",
                "output",
                "reasoning",
                "citation",
                "output_audio",
                "output_image",
                "output_video",
                "training",
            ),
            _TOKENS,
        ),
        "characters": (1, 1_000, 10_000, 1_000_000),
        **dict.fromkeys(("audio_ms", "input_audio_ms", "video_ms", "session_ms"), _TIME_MS),
        **dict.fromkeys(
            (
                "images",
                "pages",
                "annotated_pages",
                "requests",
                "messages",
                "search_units",
                "search_queries",
                "web_searches",
                "web_search_preview",
                "web_search_content",
                "web_fetches",
                "grounded_prompts",
                "social_searches",
                "file_searches",
                "code_executions",
                "container_sessions",
                "guardrail_topic_units",
                "guardrail_content_units",
                "guardrail_image_units",
                "guardrail_sensitive_information_units",
                "guardrail_grounding_units",
                "guardrail_automated_reasoning_units",
                "guardrail_prompt_attack_units",
            ),
            _COUNT,
        ),
    }
)
"""Metric to the quantities one price may be for; tokens are priced per million."""


def qualified(metric: str, **qualities: str | None) -> str:
    """Write a metric with the qualities that are known: `images size=1024x1024 quality=hd`."""
    parts = (f"{name}={value}" for name, value in qualities.items() if value)
    return " ".join((metric, *parts))


def split_metric(metric: str) -> tuple[str, tuple[str, ...]]:
    """Split a metric into its name and its qualities."""
    name, *qualities = metric.split(" ")
    return name, tuple(qualities)
