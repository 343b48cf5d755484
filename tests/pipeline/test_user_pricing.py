"""Own prices of the configuration file and the ledger together, and a card that follows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from logging import LogRecord
from pathlib import Path
from threading import Event

import pytest

from spantoll.errors import ConfigurationError
from spantoll.pipeline.price_changes import add_rows
from spantoll.pipeline.user_pricing import PriceFollower, read_user_pricing
from spantoll.pricing.own_prices import OwnPrice, read_own_price
from spantoll.pricing.shipped import PriceDataError
from spantoll.storage import Store, open_store
from spantoll.storage.own_prices import PRICES

TOML = """
[[prices]]
provider = "acme"
model = "m"
metric = "input"
amount = 0.1
per = "1M"
valid_from = 2026-01-01

[[prices]]
provider = "acme"
model = "n"
metric = "input"
amount = "3"
per = 1000
currency = "EUR"
valid_from = "2026-01-01"

[[exchange_rates]]
currency = "EUR"
usd = "1.1"
valid_from = 2026-01-01
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SPANTOLL_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "spantoll.toml"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "ledger.db"))
    yield opened
    opened.close()


def row(model: str, amount: str = "5") -> OwnPrice:
    record = {"provider": "acme", "model": model, "metric": "input", "amount": amount, "per": "1M"}
    return read_own_price(record, "given")


def test_the_file_gives_amounts_as_they_are_written(file: Path) -> None:
    file.write_text(TOML)

    pricing = read_user_pricing(None)

    assert [(price.amount, price.per, price.valid_from) for price in pricing.prices] == [
        (Decimal("0.1"), 1_000_000, "2026-01-01"),
        (Decimal(3), 1_000, "2026-01-01"),
    ]
    assert pricing.exchange_rates[0].usd == Decimal("1.1")


def test_rows_of_the_file_and_of_the_ledger_hold_together(file: Path, store: Store) -> None:
    file.write_text(TOML)
    add_rows(store, PRICES, [row("o")], now_ns=1)

    models = [price.model for price in read_user_pricing(store.engine).prices]

    assert models == ["m", "n", "o"]


def test_a_row_of_the_ledger_that_overlaps_the_file_is_refused(file: Path, store: Store) -> None:
    file.write_text(TOML)

    with pytest.raises(PriceDataError, match=r"spantoll.toml prices\[1\]"):
        add_rows(store, PRICES, [row("m")], now_ns=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('prices = "cheap"', "must be tables", id="no table"),
        pytest.param("[[prices]]\nprovider = 1", r"prices\[1\]", id="no price"),
        pytest.param("[[prices]", "spantoll.toml", id="no toml"),
    ],
)
def test_a_wrong_file_is_refused_by_its_place(file: Path, text: str, message: str) -> None:
    file.write_text(text)

    with pytest.raises(ConfigurationError, match=message):
        read_user_pricing(None)


def test_a_card_follows_the_ledger_and_the_file(file: Path, store: Store) -> None:
    follower = PriceFollower(store.engine)

    looks = [follower.look()]
    add_rows(store, PRICES, [row("o", "7")], now_ns=1)
    looks.append(follower.look())
    file.write_text(TOML)
    looks += [follower.look(), follower.look()]

    assert looks == [False, True, True, False]
    rates = [follower.card.find_rate("acme", model, 1_785_000_000 * 10**9) for model in "mo"]
    assert [rate and rate.prices[0].amount_usd for rate in rates] == [Decimal("0.1"), Decimal(7)]


def wake(event: Event, handle: Callable[[LogRecord], bool]) -> Callable[[LogRecord], bool]:
    """Make a handler that also sets an event."""

    def handle_and_wake(record: LogRecord) -> bool:
        handled = handle(record)
        event.set()
        return handled

    return handle_and_wake


def test_a_running_card_looks_by_itself_and_keeps_its_prices_where_rows_are_wrong(
    file: Path,
    store: Store,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_rows(store, PRICES, [row("o", "7")], now_ns=1)
    follower = PriceFollower(store.engine, every_s=0.01)
    logged = Event()
    monkeypatch.setattr(caplog.handler, "handle", wake(logged, caplog.handler.handle))
    file.write_text("[[prices]")

    follower.start()
    heard = logged.wait(10)
    follower.close()

    assert heard
    assert "own prices stay as they were" in caplog.text
    assert follower.card.find_rate("acme", "o", 0) is not None
