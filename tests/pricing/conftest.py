"""What the pricing tests share: rate cards and calls, made by the names of what matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from spantoll.pricing import RateCard, load_rate_card
from spantoll.pricing.builtin import SelfHosted
from spantoll.pricing.catalogue import GenaiPrices
from spantoll.pricing.timeline import instant_ns
from spantoll.semconv.call import Attribution, ModelCall, Usage

CallMaker = Callable[..., ModelCall]

_BLANK = ModelCall(
    trace_id=bytes(16),
    span_id=bytes(8),
    parent_span_id=None,
    start_ns=0,
    end_ns=0,
    role="inference",
    operation="chat",
    provider=None,
    provider_raw=None,
    request_model=None,
    response_model=None,
    response_id=None,
    usage=Usage(),
    attribution=Attribution(),
    status="success",
    error_type=None,
    error_message=None,
    dialect="otel",
    scope_name="",
    scope_version="",
    usage_quality="exact",
    assumptions=(),
)


@pytest.fixture(scope="session")
def card() -> RateCard:
    return load_rate_card(today="2026-11-20")


@pytest.fixture(scope="session")
def catalogue_card() -> RateCard:
    """The catalogue alone, without the rows and factors SpanToll ships."""
    catalogue = GenaiPrices.installed(today="2026-11-20")
    return RateCard((catalogue, SelfHosted()), price_set=catalogue.price_set)


@pytest.fixture(scope="session")
def make_call() -> CallMaker:
    """Make a call of `provider/model` on 2026-11-12; counters and fields go by their names."""

    def make(
        provider: str | None, model: str | None = None, *, at: str = "2026-11-12", **given: Any
    ) -> ModelCall:
        counters = {name: given.pop(name) for name in Usage._fields if name in given}
        start_ns = instant_ns(at)
        return _BLANK._replace(
            provider=provider,
            response_model=model,
            start_ns=start_ns,
            end_ns=start_ns,
            usage=Usage(**counters),
            **given,
        )

    return make
