"""The one other provider whose price list has a model, where the list of its own lacks it.

Input: price sources, the provider of the SDK and the names of the model. Output: a provider, or
None where several sell it, nobody does, or a name has the prefix of a router. Behind a host that is
not known, a proxy of one's own perhaps, only a closed model has a seller: its maker.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from spantoll.pricing import aliases
from spantoll.pricing.names import known_name, list_spellings
from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import PriceSource

__all__ = ["find_maker", "find_only_seller"]

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
    names = _list_names(tuple(sources))
    models = [model for model in models if names is None or _may_be_known(model, names)]
    if not models:
        return None
    sellers = [
        other
        for other in COMPATIBLE
        if other != provider
        and any(source.find(other, model, Selector()) for source in sources for model in models)
    ]
    return sellers[0] if len(sellers) == 1 else None


def find_maker(provider: str, models: Sequence[str]) -> str | None:
    """Find the maker of a closed model that an SDK of another provider calls at an unknown host."""
    if provider not in REUSED_SDKS:
        return None
    makers = {
        maker
        for model in models
        for stem, maker in aliases.MAKERS
        if model.lower().startswith(stem)
    }
    return makers.pop() if len(makers) == 1 and provider not in makers else None


@lru_cache(maxsize=2)
def _list_names(sources: tuple[PriceSource, ...]) -> frozenset[str] | None:
    """List all names that `COMPATIBLE` sell under; None where a source answers to any name.

    Without it, each new misspelling would be looked up in every list of every provider.
    """
    names = [source.list_names(COMPATIBLE) for source in sources]
    known = [each for each in names if each is not None]
    return frozenset().union(*known) if len(known) == len(names) else None


def _may_be_known(model: str, names: frozenset[str]) -> bool:
    spellings = list_spellings("", model)
    return not names.isdisjoint((*spellings, *map(known_name, spellings)))
