"""Exact money: unit prices as integer ratios, quantities times prices, rounded once.

Input: a price row (`Rate`). Output: a compiled `Row`, and line amounts in integer nano-USD, rounded
half-even once per line (rule R17). No float is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from spantoll.pricing.aliases import PROVIDERS
from spantoll.pricing.metrics import split_metric
from spantoll.pricing.result import Rate, UnitPrice
from spantoll.pricing.rules import (
    ALWAYS_SEARCHES,
    AUDIO_MODELS,
    IMAGE_MODELS,
    INPUT_AUDIO_IS_INPUT,
    INPUT_IMAGE_IS_INPUT,
    MEDIUM_OF_MODEL,
    MINIMUM_AUDIO_MS,
)

__all__ = [
    "CACHE",
    "EXACT",
    "INPUT",
    "LEDGER_MAX_NANO",
    "NANO",
    "OTHER",
    "OUTPUT",
    "Price",
    "Row",
    "compile_row",
    "half_even",
    "is_quantity",
    "line_nano",
    "nano_usd",
]

NANO = 1_000_000_000
LEDGER_MAX_NANO = 2**63 - 1
_MAX_DIGITS = 18
# Numbers come from strangers: `1E-999999999` as a ratio of integers would be a gigabyte.
_SMALLEST = Decimal("1E-18")
EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
INPUT, OUTPUT, CACHE, OTHER = range(4)

_SHARES: Mapping[str, int] = MappingProxyType(
    {
        "input": INPUT,
        "input_audio": INPUT,
        "input_image": INPUT,
        "input_video": INPUT,
        "cache_read": CACHE,
        "cache_read_audio": CACHE,
        "cache_read_image": CACHE,
        "cache_write": CACHE,
        "cache_write_1h": CACHE,
        "output": OUTPUT,
        "reasoning": OUTPUT,
        "citation": OUTPUT,
        "output_audio": OUTPUT,
        "output_image": OUTPUT,
        "output_video": OUTPUT,
    }
)


def half_even(numerator: int, denominator: int) -> int:
    """Divide by a positive denominator and round half to even, exactly."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def nano_usd(amount_usd: Decimal) -> int | None:
    """Round an amount of USD half-even to nano-USD; None if it is no amount a ledger can hold."""
    if not amount_usd.is_finite() or amount_usd.adjusted() > _MAX_DIGITS:
        return None
    nano = amount_usd.scaleb(9, EXACT).to_integral_value(ROUND_HALF_EVEN, EXACT)
    return int(nano)


def is_quantity(quantity: int | Decimal) -> bool:
    """Return True if a quantity is a number of units somebody could be billed for."""
    if isinstance(quantity, int):
        return True
    if not quantity.is_finite() or quantity.adjusted() > _MAX_DIGITS:
        return False
    return quantity == quantity.quantize(_SMALLEST, context=EXACT)


class Price(NamedTuple):
    """A unit price as an integer ratio of nano-USD per unit."""

    metric: str
    numerator: int
    denominator: int
    share: int
    """INPUT, OUTPUT, CACHE or OTHER: where its cost is summed."""
    unit: UnitPrice


def line_nano(price: Price, quantity: int | Decimal) -> int:
    """Return quantity times price in nano-USD, rounded half-even once."""
    if isinstance(quantity, int):
        return half_even(quantity * price.numerator, price.denominator)
    above, below = quantity.as_integer_ratio()
    return half_even(above * price.numerator, below * price.denominator)


class Row(NamedTuple):
    """A rate compiled for arithmetic: one price per metric, its own or by rule, or None."""

    rate: Rate
    free: bool
    input: Price | None
    cache_read: Price | None
    cache_write: Price | None
    cache_write_1h: Price | None
    input_audio: Price | None
    input_image: Price | None
    output: Price | None
    reasoning: Price | None
    """Only where reasoning has a rate of its own."""
    output_audio: Price | None
    output_image: Price | None
    requests: Price | None
    units: Mapping[str, Price]
    """All prices by metric."""
    graded: frozenset[str]
    """Metrics whose price depends on a quality: size, image quality, search context."""
    minimum_audio_ms: int
    operation: str | None
    """What the model is called for, if it can only be one medium."""
    mixes_audio: bool
    """Whether text and audio are priced apart, so that a total alone is unsure."""
    mixes_images: bool
    """Whether text and images are output of the same call, so that a total alone is unsure."""
    always_searches: bool
    """Whether each request searches the web, so that a search without a count is one."""
    is_doubted: bool
    """Whether any of the prices carries a doubt."""


@lru_cache(maxsize=4096)
def compile_row(rate: Rate) -> Row:
    """Compile a rate, taking the parent's price only where that is the provider's rule."""
    own = {unit.metric: _price(unit.metric, unit) for unit in rate.prices}
    if "input_audio_ms" in own:
        own.setdefault("audio_ms", own["input_audio_ms"]._replace(metric="audio_ms"))

    def price_of(metric: str, parent: str | None = None) -> Price | None:
        if metric not in own and parent in own:
            return _price(metric, own[parent].unit)
        return own.get(metric)

    short_write = "cache_write" if "cache_write" in own else "input"
    price_list = PROVIDERS.get(rate.provider, rate.provider)
    images_as_text = price_list in INPUT_IMAGE_IS_INPUT
    audio_as_text = price_list in INPUT_AUDIO_IS_INPUT
    operation = next((name for stem, name in MEDIUM_OF_MODEL if stem.search(rate.model)), None)
    return Row(
        rate=rate,
        free=_is_free(rate),
        input=price_of("input"),
        # A list without a cache price has no discount and no surcharge: cached input is input.
        cache_read=price_of("cache_read", "input"),
        cache_write=price_of("cache_write", "input"),
        cache_write_1h=price_of("cache_write_1h", short_write),
        input_audio=price_of("input_audio", "input" if audio_as_text else None),
        input_image=price_of("input_image", "input" if images_as_text else None),
        output=price_of("output"),
        reasoning=price_of("reasoning"),
        output_audio=price_of("output_audio"),
        output_image=price_of("output_image"),
        requests=price_of("requests"),
        units=MappingProxyType(own),
        graded=frozenset(name for name, qualities in map(split_metric, own) if qualities),
        minimum_audio_ms=MINIMUM_AUDIO_MS.get(price_list, 0),
        mixes_audio="output_audio" in own and AUDIO_MODELS.search(rate.model) is not None,
        mixes_images=operation is None and IMAGE_MODELS.search(rate.model) is not None,
        always_searches=ALWAYS_SEARCHES.search(rate.model) is not None,
        is_doubted=any(unit.doubt for unit in rate.prices),
        operation=operation,
    )


def _is_free(rate: Rate) -> bool:
    """Return True if nothing is billed at a rate: all its prices are 0.

    A user's row that gives only input, or only output, for nothing says nothing of the other. Only
    the catalogue and one's own machine have free models without prices: rows that begin at a number
    of input tokens say nothing of shorter requests.
    """
    if not rate.prices:
        return rate.source in {"catalogue", "builtin"}
    totals = {unit.metric for unit in rate.prices} & {"input", "output"}
    if rate.source in {"user", "default"} and len(totals) == 1:
        return False
    return not any(unit.amount_usd or unit.doubt for unit in rate.prices)


def _price(metric: str, unit: UnitPrice) -> Price:
    nano = Fraction(unit.amount_usd) * NANO / unit.per
    return Price(metric, nano.numerator, nano.denominator, _SHARES.get(metric, OTHER), unit)
