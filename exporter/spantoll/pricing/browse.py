"""The catalogue for people: which models have a price, what they are for, and a model's history.

Input: a rate card and a day, or a model. Output: `ListedModel` rows, or the `Period`s of one
model's list price. The catalogue knows context lengths, SpanToll's own rows do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from spantoll.pricing.arithmetic import compile_row
from spantoll.pricing.card import RateCard
from spantoll.pricing.result import Rate, Unpriced
from spantoll.pricing.shipped import load_rows
from spantoll.pricing.timeline import instant_ns

__all__ = ["ListedModel", "Period", "list_models", "list_periods"]

_EMBEDDING = re.compile(r"embed|(^|[-/])e5-|(^|[-/])bge-|voyage-\d")
_RERANK = re.compile(r"rerank")
_OCR = re.compile(r"(^|-)ocr(-|$)")
_MEDIA = {"audio": "audio", "image": "image", "images": "image", "video": "video"}


class ListedModel(NamedTuple):
    """One model of a price list on one day."""

    provider: str
    model: str
    operation: str
    modality: tuple[str, ...]
    """What it takes or gives beyond text, as far as its prices tell."""
    free: bool
    context_window: int | None
    """Tokens; None where the catalogue does not say."""
    input_usd: Decimal | None
    """Per million tokens; None where it is not priced by input tokens."""
    output_usd: Decimal | None


class Period(NamedTuple):
    """The list price of a model while it holds."""

    valid_from: str
    valid_to: str
    rate: Rate


def list_models(card: RateCard, *, day: str) -> Iterator[ListedModel]:
    """List the models with a list price on a day: the catalogue's, then those of our rows alone."""
    from genai_prices.data import providers

    at_ns = instant_ns(day)
    named = {(p.id, model.id): model.context_window for p in providers for model in p.models}
    rows = (row for folder in ("prices", "history") for row in load_rows(folder)[0])
    named |= {(r.provider, r.model): None for r in rows if (r.provider, r.model) not in named}
    for (provider, model), context_window in named.items():
        rate = card.find_rate(provider, model, at_ns)
        if rate is not None:
            yield _listed(provider, model, context_window, rate)


def _listed(provider: str, model: str, context_window: int | None, rate: Rate) -> ListedModel:
    amounts = {price.metric: price.amount_usd for price in rate.prices}
    return ListedModel(
        provider,
        model,
        _operation(model, rate),
        tuple(sorted({kind for metric in amounts for kind in _modalities(metric)})),
        compile_row(rate).free,
        context_window,
        amounts.get("input"),
        amounts.get("output"),
    )


def _operation(model: str, rate: Rate) -> str:
    for pattern, operation in ((_EMBEDDING, "embeddings"), (_RERANK, "rerank"), (_OCR, "ocr")):
        if pattern.search(model.lower()):
            return operation
    return compile_row(rate).operation or "chat"


def _modalities(metric: str) -> Iterator[str]:
    words = metric.replace("_", " ").split()
    return (_MEDIA[word] for word in words if word in _MEDIA)


def list_periods(card: RateCard, provider: str, model: str) -> list[Period] | Unpriced:
    """List the list prices of a model, oldest first, or say why it has none."""
    rates = card.find_rates(provider, model)
    if isinstance(rates, Unpriced):
        return rates
    return [Period(rate.effective_from, rate.effective_to, rate) for rate in rates]
