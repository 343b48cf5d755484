"""Fill the ledger of `spantoll up --demo`, over its own OTLP endpoint.

Input: the store and the address of a receiver that runs. Output: prices that change in the middle
of the 30 days, what customers pay, and acknowledged calls. Raises ConnectionError where the
receiver does not take them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import urllib3

from spantoll.customers import CustomerPrice
from spantoll.pipeline.price_changes import add_rows
from spantoll.pricing.own_prices import read_own_price
from spantoll.storage import Store, add_customer_prices
from spantoll.storage.own_prices import PRICES
from spantoll.surfaces.demo.calls import DAY_NS, SECOND_NS, list_calls, start_of_demo
from spantoll.surfaces.demo.spans import write_requests

__all__ = ["PRICE_CHANGE_DAY", "add_prices", "send_calls"]

PRICE_CHANGE_DAY = 15
NEGOTIATED = {"input": "2.00", "cache_read": "1.00", "output": "8.00"}
"""USD per million tokens of gpt-4o from that day on; the list price is 2.50, 1.25 and 10.00."""
CUSTOMER_PRICES = (
    CustomerPrice("markup", Decimal("0.3")),
    CustomerPrice("markup", Decimal("0.2"), customer_id="acme"),
    CustomerPrice("minimum", Decimal(20), customer_id="initech"),
)
RETRIES = urllib3.Retry(5, backoff_factor=0.2, status_forcelist=(429, 503), allowed_methods=None)


def add_prices(store: Store, *, now_ns: int) -> None:
    """Add the prices of the demo to its ledger, before calls are priced by them."""
    day_s = (start_of_demo(now_ns) + PRICE_CHANGE_DAY * DAY_NS) // SECOND_NS
    changed = datetime.fromtimestamp(day_s, UTC).date().isoformat()
    rows = [
        read_own_price(
            {
                "provider": "openai",
                "model": "gpt-4o",
                "metric": metric,
                "amount": amount,
                "per": "1M",
                "valid_from": changed,
                "note": "negotiated",
            },
            "the demo",
        )
        for metric, amount in NEGOTIATED.items()
    ]
    add_rows(store, PRICES, rows, now_ns=now_ns)
    with store.transaction() as connection:
        add_customer_prices(connection, CUSTOMER_PRICES, now_ns=now_ns)


def send_calls(url: str, *, now_ns: int) -> int:
    """Send the calls of the 30 days to a receiver; return how many. Raises ConnectionError."""
    calls = list_calls(now_ns)
    with urllib3.PoolManager(retries=RETRIES, timeout=30) as pool:
        for body in write_requests(calls):
            try:
                answer = pool.request(
                    "POST",
                    f"{url}/v1/traces",
                    body=body,
                    headers={"Content-Type": "application/json"},
                )
            except urllib3.exceptions.HTTPError as error:
                raise ConnectionError(f"{url} is away: {error}") from None
            if answer.status != 200:
                raise ConnectionError(f"{url} answers {answer.status}")
    return len(calls)
