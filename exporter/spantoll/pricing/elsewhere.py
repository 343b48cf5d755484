"""The other provider whose price list has a model, where the list of its own lacks it.

Input: price sources, the provider of the SDK and the names of the model. Output: a provider, or
None where several sell it or nobody does. A closed model whose name begins with a provider, as
those of proxies do, is that provider's; no model with open weights is, since anybody may serve it.
Behind a host that is not known only a closed model has a seller: its maker.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from spantoll.pricing import aliases
from spantoll.pricing.names import is_bedrock_id, known_name, list_spellings, split_provider
from spantoll.pricing.selector import Selector
from spantoll.pricing.tariff import PriceSource
from spantoll.semconv.providers import from_host

__all__ = ["find_maker", "find_named_seller", "find_only_seller", "serves_open_weights"]

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

CLOSED_VENDORS = ("amazon", "anthropic")
"""Vendors on Bedrock all of whose models are closed."""

OPEN_WEIGHTS = "gpt-oss"
"""How open weights are named that a list of `REUSED_SDKS` has, at the price of a reseller."""


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


def find_named_seller(provider: str, models: Sequence[str]) -> str | None:
    """Find the provider that names of a closed model begin with: `anthropic/claude-...`.

    Bedrock's ids of closed models name it too.
    """
    if provider not in REUSED_SDKS:
        return None
    sellers = {seller for model in models if (seller := _read_seller(model.lower())) is not None}
    return sellers.pop() if len(sellers) == 1 and provider not in sellers else None


def _read_seller(model: str) -> str | None:
    bare = model.rpartition("/")[2]
    if is_bedrock_id(bare):
        return "aws.bedrock" if any(f"{vendor}." in bare for vendor in CLOSED_VENDORS) else None
    is_closed = bare.startswith(tuple(stem for stem, _ in aliases.MAKERS))
    return split_provider(model)[0] if is_closed else None


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


def serves_open_weights(provider: str, models: Sequence[str], host: str | None) -> bool:
    """Return True if a host that is not known may serve a model by itself, under a listed name."""
    return (
        provider in REUSED_SDKS
        and host is not None
        and from_host(host) is None
        and any(model.lower().rpartition("/")[2].startswith(OPEN_WEIGHTS) for model in models)
    )


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
