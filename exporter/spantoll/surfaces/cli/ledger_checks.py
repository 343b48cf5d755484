"""The checks of `spantoll doctor` of what a ledger is set to do beside receiving.

Input: an open ledger and the settings. Output: findings about promoted attributes.
"""

from __future__ import annotations

from collections.abc import Iterator

from spantoll.pipeline.promote import list_unpromoted
from spantoll.settings import Settings
from spantoll.storage import Store
from spantoll.storage.promoted_names import parse_promoted
from spantoll.surfaces.cli.finding import Finding

__all__ = ["check_promoted"]


def check_promoted(store: Store, settings: Settings) -> Iterator[Finding]:
    """Name the attributes that are to be promoted, and are not yet. Raises StoreUnavailable."""
    missing = list_unpromoted(store, parse_promoted(settings.promoted_attributes))
    if missing:
        yield Finding(
            "warning",
            "ledger",
            f"not promoted, so that answers by them read every record: {', '.join(missing)}",
            "`spantoll db promote`, beside a running receiver",
        )
