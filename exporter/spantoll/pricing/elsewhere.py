from __future__ import annotations

from collections.abc import Sequence

from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import PriceSource

__all__ = ["find_only_seller"]

REUSED_SDKS = frozenset({"anthropic", "openai"})
"""Providers whose SDKs call the APIs of others, which only the host reveals."""

COMPATIBLE = (
    "anthropic",
    "cerebras",
    "cohere",
    "deepseek",
    "fireworks_ai",
    "gcp.gemini",
    "groq",
    "mistral_ai",
    "moonshot_ai",
    "openai",
    "perplexity",
    "together_ai",
    "x_ai",
)
"""Providers that those SDKs can call by another base URL and that sell under names of their own."""


def find_only_seller(
    sources: Sequence[PriceSource], provider: str, models: Sequence[str]
) -> str | None:
    """Find the one provider whose price list has a model that the list of `provider` lacks.

    None where several have it, and for names with a prefix, which routers use. To be asked only
    where no host says who was called.
    """
    if provider not in REUSED_SDKS or any(mark in model for model in models for mark in "/:"):
        return None
    sellers = [
        other
        for other in COMPATIBLE
        if other != provider
        and any(source.find(other, model, Selector()) for source in sources for model in models)
    ]
    return sellers[0] if len(sellers) == 1 else None
