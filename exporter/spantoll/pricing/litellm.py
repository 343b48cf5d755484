"""LiteLLM's published price file as rows: a second source beside the catalogue.

Input: the JSON of `model_prices_and_context_window.json`, amounts as Decimal. Output: one row for
each price and context. The file has no dates, so its rows begin on the day it was read. 0 stands
there for an unknown price as often as for a free one, so it gives no row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, NamedTuple

from spantoll.pricing import aliases
from spantoll.pricing.arithmetic import EXACT, is_quantity
from spantoll.pricing.result import UnitPrice
from spantoll.pricing.selector import Selector
from spantoll.pricing.shipped import ShippedRow

__all__ = ["read_litellm_model"]


class Field(NamedTuple):
    """What a cost field prices: a metric, and how many of its units our price is for."""

    metric: str
    per: int
    units: int = 1
    """Of our metric in one unit of the field: 1,000 ms in a second."""


_FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "input_cost_per_token": Field("input", 1_000_000),
        "output_cost_per_token": Field("output", 1_000_000),
        "cache_read_input_token_cost": Field("cache_read", 1_000_000),
        "cache_creation_input_token_cost": Field("cache_write", 1_000_000),
        "cache_creation_input_token_cost_above_1hr": Field("cache_write_1h", 1_000_000),
        "input_cost_per_audio_token": Field("input_audio", 1_000_000),
        "output_cost_per_audio_token": Field("output_audio", 1_000_000),
        "input_cost_per_image_token": Field("input_image", 1_000_000),
        "output_cost_per_image_token": Field("output_image", 1_000_000),
        "output_cost_per_reasoning_token": Field("reasoning", 1_000_000),
        "input_cost_per_character": Field("characters", 1_000_000),
        "output_cost_per_image": Field("images", 1),
        "input_cost_per_query": Field("search_units", 1),
        "ocr_cost_per_page": Field("pages", 1),
        "output_cost_per_video_per_second": Field("video_ms", 1_000, 1_000),
    }
)
_SECONDS = Field("audio_ms", 1_000, 1_000)
"""`input_cost_per_second` of a transcription; elsewhere it is the price of a machine."""
_SUFFIX = re.compile(r"_batches$|_flex$|_priority$|_above_(?P<step>\d+)k_tokens(?=_|$)")
_OWNERS: Mapping[str, str] = MappingProxyType(
    {"vertex_ai": "vertex", "azure_ai": "azure_foundry", "bedrock_converse": "aws"}
)
"""LiteLLM's provider -> our price list, where `aliases.PROVIDERS` has another or none."""


def read_litellm_model(key: str, entry: Mapping[str, Any], *, day: str) -> Iterator[ShippedRow]:
    """Yield the rows of one entry of the file, valid from `day` on."""
    named = str(entry.get("litellm_provider") or "")
    prefix = named.partition("-")[0]
    owner = _OWNERS.get(prefix) or aliases.PROVIDERS.get(prefix, prefix)
    model = key.lower().removeprefix(f"{prefix}/")
    if not owner or not model:
        return
    for name, value in entry.items():
        field, selector = _read_field(name, str(entry.get("mode") or ""))
        cost = None if field is None else _read_cost(value)
        if field is not None and cost is not None:
            amount = EXACT.multiply(cost, Decimal(field.per // field.units))
            price = UnitPrice(field.metric, amount, field.per, "litellm")
            yield ShippedRow(owner, model, price, selector, day, "", "", f"{key} {name}")


def _read_cost(value: Any) -> Decimal | None:
    """Read a cost of more than 0; None for anything else. A held entry has it as text."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        cost = Decimal(value)
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and cost > 0 and is_quantity(cost) else None


def _read_field(name: str, mode: str) -> tuple[Field | None, Selector]:
    """Read the name of a cost field: what it prices, and in which context."""
    selector = Selector()
    for suffix in _SUFFIX.finditer(name):
        step = suffix["step"]
        if step:
            selector = selector._replace(min_input_tokens=int(step) * 1_000 + 1)
        elif suffix[0] == "_batches":
            selector = selector._replace(batch=True)
        else:
            selector = selector._replace(service_tier=suffix[0].removeprefix("_"))
    base = _SUFFIX.sub("", name)
    if base == "input_cost_per_second" and mode == "audio_transcription":
        return _SECONDS, selector
    return _FIELDS.get(base), selector
