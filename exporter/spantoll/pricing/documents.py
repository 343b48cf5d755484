"""Published price documents: genai-prices' feed and LiteLLM's JSON, checked before they are used.

Input: bytes as they were published, or the installed genai-prices package. Output: a
`PriceDocument`, whose hash identifies it, and its list prices for comparison. Raises
PriceSetRefused for what is no price document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from spantoll.errors import SpantollError
from spantoll.pricing.litellm import read_litellm_model
from spantoll.pricing.result import UnitPrice
from spantoll.pricing.shipped import ShippedRow

if TYPE_CHECKING:
    from genai_prices import types as genai

__all__ = [
    "GENAI_PRICES",
    "LITELLM",
    "PriceDocument",
    "PriceSetRefused",
    "compare_documents",
    "dump_installed",
    "hold_models",
    "read_document",
    "read_litellm_rows",
    "read_providers",
]

GENAI_PRICES = "genai-prices"
LITELLM = "litellm"
MAX_STEP = 100
"""A price so many times its predecessor, or its part, is taken for a slip until it is accepted."""

_LEFT_OUT = frozenset({"extractors", "pricing_urls", "description", "price_comments"})
"""Fields of the package's objects that prices do not depend on."""

Models = dict[tuple[str, str], Any]
"""(provider, model) to its entry as published."""


class PriceSetRefused(SpantollError):
    """Raised when a price document cannot be used; the prices in use stay."""


class PriceDocument(NamedTuple):
    """A price list as it was published, with what identifies it."""

    source: str
    """`genai-prices` or `litellm`."""
    version: str
    sha256: str
    as_of: str
    """Day on which it was read."""
    models: int
    content: bytes
    held: tuple[tuple[str, str], ...] = ()
    """(provider, model) whose entry is the predecessor's, because a price leapt."""


class Leap(NamedTuple):
    """A price that is a hundred times its predecessor, or its hundredth part."""

    provider: str
    model: str
    metric: str
    before: Decimal
    after: Decimal


def read_document(content: bytes, *, version: str, as_of: str) -> PriceDocument:
    """Read a document and check that it has prices. Raises PriceSetRefused."""
    try:
        raw = json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PriceSetRefused(f"not JSON: {error}") from None
    if isinstance(raw, (list, dict)):
        source = GENAI_PRICES if isinstance(raw, list) else LITELLM
    else:
        raise PriceSetRefused("neither genai-prices' feed nor LiteLLM's JSON")
    document = PriceDocument(source, version, sha256(content).hexdigest(), as_of, 0, content)
    priced = len({key[:2] for key in list_prices(document)})
    if not priced:
        raise PriceSetRefused("no model with a price in it")
    return document._replace(models=priced)


def dump_installed(*, as_of: str) -> PriceDocument:
    """Write the catalogue of the installed package as its feed spells it."""
    from genai_prices import __version__
    from genai_prices.data import providers

    content = json.dumps(_dump(providers), ensure_ascii=False).encode()
    return read_document(content, version=__version__, as_of=as_of)


def read_providers(content: bytes) -> list[genai.Provider]:
    """Read genai-prices' feed. Raises PriceSetRefused."""
    # The package's own updater reads a feed so; it has no public function for it.
    from genai_prices.types import _providers_from_raw
    from pydantic import ValidationError

    try:
        return _providers_from_raw(json.loads(content, parse_float=Decimal))
    except (ValidationError, ValueError, TypeError, AttributeError) as error:
        raise PriceSetRefused(f"not genai-prices' feed: {str(error).splitlines()[0]}") from None


def read_litellm_rows(document: PriceDocument) -> list[ShippedRow]:
    """Read the rows of LiteLLM's JSON, valid from the day on which it was read."""
    raw = json.loads(document.content, parse_float=Decimal)
    return [
        row
        for key, entry in raw.items()
        if key != "sample_spec" and isinstance(entry, dict)
        for row in read_litellm_model(key, entry, day=document.as_of)
    ]


def list_prices(document: PriceDocument) -> dict[tuple[str, str, str], Decimal]:
    """List what one unit costs by (provider, model, metric), at the list price of the day.

    LiteLLM's keys name provider and model together, so its provider is `litellm`.
    """
    if document.source == LITELLM:
        plain = (row for row in read_litellm_rows(document) if not str(row.selector))
        return {
            (LITELLM, row.position.rpartition(" ")[0], row.price.metric): _per_unit(row.price)
            for row in plain
        }
    from spantoll.pricing.catalogue import METRICS

    now = datetime.fromisoformat(document.as_of).replace(tzinfo=UTC)
    prices = {}
    for provider in read_providers(document.content):
        for model in provider.models:
            listed = model.get_prices(now, {})
            for key, (metric, per) in METRICS.items():
                price = getattr(listed, key, None)
                if price is not None:
                    amount = price if isinstance(price, Decimal) else price.base
                    prices[provider.id, model.id, metric] = amount / per
    return prices


def _per_unit(price: UnitPrice) -> Decimal:
    return price.amount_usd / price.per


def compare_documents(before: PriceDocument, after: PriceDocument) -> Iterator[Leap]:
    """Refuse a document that lost half the models; yield the prices that leapt.

    Raises PriceSetRefused.
    """
    if after.models * 2 < before.models:
        raise PriceSetRefused(f"{after.models:,} models, where there were {before.models:,}")
    known = list_prices(before)
    for (provider, model, metric), amount in list_prices(after).items():
        earlier = known.get((provider, model, metric))
        if earlier and amount:
            low, high = sorted((earlier, amount))
            if high >= low * MAX_STEP:
                yield Leap(provider, model, metric, earlier, amount)


def hold_models(
    before: PriceDocument, after: PriceDocument, models: set[tuple[str, str]]
) -> PriceDocument:
    """Put the predecessor's entries of some models in place of the new ones."""
    if not models:
        return after
    old, new = (_entries(json.loads(d.content, parse_float=Decimal), d) for d in (before, after))
    kept = {key: old[key] for key in models & old.keys()}
    raw = json.loads(after.content, parse_float=Decimal)
    content: Any
    if after.source == LITELLM:
        content = {key: kept.get((LITELLM, key), entry) for key, entry in raw.items()}
    else:
        content = [
            {**p, "models": [kept.get((p["id"], m["id"]), m) for m in p["models"]]} for p in raw
        ]
    written = json.dumps(content, ensure_ascii=False, default=str).encode()
    held = tuple(sorted(kept.keys() & new.keys()))
    return after._replace(content=written, sha256=sha256(written).hexdigest(), held=held)


def _entries(raw: Any, document: PriceDocument) -> Models:
    if document.source == LITELLM:
        return {(LITELLM, key): entry for key, entry in raw.items()}
    return {(p["id"], m["id"]): m for p in raw for m in p["models"]}


def _dump(value: Any) -> Any:
    """Write the package's objects as its feed spells them; only what prices depend on."""
    if isinstance(value, (list, tuple)):
        return [_dump(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _dump(each) for name, each in value.items()}
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value) if each.name not in _LEFT_OUT]
        return {
            name.rstrip("_"): _dump(getattr(value, name))
            for name in names
            if getattr(value, name) is not None
        }
    return _dump(vars(value)) if hasattr(value, "__dict__") else value
