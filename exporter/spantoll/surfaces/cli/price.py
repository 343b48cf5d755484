"""`spantoll price`: price calls given as JSON lines, without a ledger.

Input: one JSON object a line on stdin. Output: one JSON object a line on stdout for each, in order;
what cannot be read is answered with the reason, and the rest goes on (docs/prices.md).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from spantoll.surfaces.cli.ledger import now_ns
from spantoll.surfaces.cli.options import Database

if TYPE_CHECKING:
    from spantoll.pricing import RateCard

__all__ = ["price"]


def price(database: Database = None) -> None:
    """Price calls: JSON lines on stdin, one answer on stdout for each (docs/prices.md)."""
    from spantoll.pipeline.user_pricing import open_user_card
    from spantoll.settings import load_settings

    card = open_user_card(load_settings(database=database).database)
    for answer in price_lines(sys.stdin.buffer, card, now_ns=now_ns()):
        print(json.dumps(answer))


def price_lines(lines: Iterable[bytes], card: RateCard, *, now_ns: int) -> Iterator[dict[str, Any]]:
    """Price each line; an empty one is skipped."""
    from spantoll.pricing.price_line import price_record, unreadable

    for line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            yield unreadable(None, f"not JSON: {error}")
            continue
        yield price_record(card, record, now_ns=now_ns)
