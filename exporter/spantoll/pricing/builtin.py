from __future__ import annotations

from collections.abc import Iterator, Sequence

from spantoll.pricing import aliases
from spantoll.pricing.selector import Selector
from spantoll.pricing.table import ANY, RateTable
from spantoll.pricing.tariff import Tariff, make_rate
from spantoll.pricing.timeline import Timeline

__all__ = ["SelfHosted"]


class SelfHosted:
    """Explicit zero rows for servers that run on one's own machine and bill nothing."""

    def __init__(self) -> None:
        self._table = RateTable(
            (make_rate(name, ANY, (), source="builtin") for name in aliases.SELF_HOSTED),
            source="builtin",
        )
        self.price_set = self._table.price_set

    def knows(self, provider: str) -> bool:
        """Return True if `provider` is a self-hosted server."""
        return self._table.knows(provider)

    def list_models(self) -> Iterator[tuple[str, str]]:
        """List provider and model of what has a price of its own name."""
        return self._table.list_models()

    def list_names(self, providers: Sequence[str]) -> frozenset[str] | None:
        """Return None where any of the providers is such a server; see `PriceSource.list_names`."""
        return self._table.list_names(providers)

    def find(self, provider: str, model: str, selector: Selector) -> Timeline[Tariff | None] | None:
        """Find the zero row, except for models the local server only passes on to a cloud."""
        # https://docs.ollama.com/cloud: `gpt-oss:120b-cloud`
        if model.lower().endswith(("-cloud", ":cloud")):
            return None
        return self._table.find(provider, model, selector)
