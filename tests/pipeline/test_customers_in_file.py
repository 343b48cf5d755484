"""Customers' prices of the configuration file, beside those of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from spantoll.customers import CustomerPrice, PriceBook
from spantoll.errors import ConfigurationError, CustomerPriceError
from spantoll.pipeline import Ledger
from spantoll.pipeline import ledger as ledger_module
from spantoll.pipeline.customer_book import read_customer_book, read_file_customers
from spantoll.pipeline.user_pricing import PriceFollower
from spantoll.storage import Store, add_customer_prices, open_store
from tests.support.records import make_record, stored_records

TOML = """
tz = "Europe/Berlin"

[[customers]]
customer = "acme"
markup_percent = 30
valid_from = 2026-10-01

[[customers]]
customer = "globex"
unit = "audio_minutes"
price = 0.5
per = 1
currency = "EUR"

[[exchange_rates]]
currency = "EUR"
usd = "1.1"
valid_from = 2026-01-01
"""
OCTOBER_NS = 1_790_805_600 * 10**9
"""2026-10-01T00:00 in Berlin."""
MARKUP = '[[customers]]\ncustomer = "acme"\nmarkup = 0.3\n'


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


def read_book(store: Store, known: PriceBook | None = None) -> PriceBook:
    with store.transaction() as connection:
        return read_customer_book(connection, known)


def test_rows_of_the_file_are_in_units_and_times_of_the_ledger(file: Path) -> None:
    file.write_text(TOML)

    read = read_file_customers()

    markup, fixed = read.prices
    assert (markup.kind, markup.amount, markup.valid_from_ns) == (
        "markup",
        Decimal("0.3"),
        OCTOBER_NS,
    )
    assert (fixed.metric, fixed.per, fixed.amount) == ("audio_ms", 60_000, Decimal("0.5"))
    assert fixed.position == "spantoll.toml customers[2]"
    assert [rate.usd for rate in read.exchange_rates] == [Decimal("1.1")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[customers]]\nmarkup_percent = 0.3\n", r"customers\[1\]: markup_percent 0.3 is ambig"),
        ("[[customers]]\nmarkup = 0.3\nrebate = 1\n", r"customers\[1\]: unknown field 'rebate'"),
        ("[[customers]]\nmarkup = 0.3\nvalid_from = 'soon'\n", "'soon' is not a day"),
        ("[[customers]]\nprice = 1\nunit = 'input_tokens'\n", "say what the amount is for"),
        (MARKUP * 2, r"customers\[2\].*overlaps .*customers\[1\]"),
    ],
)
def test_wrong_row_of_the_file_is_refused_by_its_position(
    file: Path, text: str, message: str
) -> None:
    file.write_text(text)

    with pytest.raises(CustomerPriceError, match=message):
        read_file_customers()


def test_row_of_the_file_may_not_overlap_one_of_the_ledger(file: Path, store: Store) -> None:
    file.write_text(MARKUP)
    row = CustomerPrice("markup", Decimal("0.2"), "acme")

    with (
        pytest.raises(CustomerPriceError, match=r"new row.*overlaps spantoll.toml customers\[1\]"),
        store.transaction() as connection,
    ):
        add_customer_prices(connection, [row], now_ns=1, file=read_file_customers())

    with store.transaction() as connection:
        add_customer_prices(connection, [row], now_ns=1)
    with pytest.raises(CustomerPriceError, match=r"customers\[1\].*overlaps row 1"):
        read_book(store)


def test_book_is_read_again_only_after_a_change_of_the_file(file: Path, store: Store) -> None:
    file.write_text(MARKUP)
    before = read_book(store)

    unchanged = read_book(store, before)
    file.write_text(MARKUP.replace("0.3", "0.25"))
    changed = read_book(store, before)

    assert unchanged is before
    assert [price.amount for price in changed.prices] == [Decimal("0.25")]


def test_call_is_charged_by_the_file_and_names_the_row(file: Path, store: Store) -> None:
    file.write_text(MARKUP)

    Ledger(store).write([make_record(cost_nano=1_000, customer_id="acme")], rates=())

    [record] = stored_records(store.engine)
    assert (record.revenue_nano, record.customer_price_id) == (1_300, None)
    assert record.revenue_reason == "customer price spantoll.toml customers[1]"


WRONG_FILES = {
    "rows that overlap": f"{MARKUP}{MARKUP}".encode(),
    "no TOML": b"[[customers",
    "no UTF-8": b"# \xff\n",
    "another setting": b'colour = "red"\n',
}


@pytest.mark.parametrize("content", WRONG_FILES.values(), ids=WRONG_FILES)
def test_running_writer_keeps_its_prices_when_the_file_becomes_wrong(
    file: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    content: bytes,
) -> None:
    monkeypatch.setattr(ledger_module, "REFRESH_S", 0.0)
    file.write_text(MARKUP)
    ledger = Ledger(store)
    ledger.write([make_record(cost_nano=1_000, customer_id="acme")], rates=())

    file.write_bytes(content)
    for _ in range(2):
        ledger.write([make_record(cost_nano=1_000, customer_id="acme")], rates=())

    assert [record.revenue_nano for record in stored_records(store.engine)] == [1_300] * 3
    assert [line.levelname for line in caplog.records] == ["ERROR"]


def test_nothing_starts_with_customers_that_cannot_be_read(file: Path, store: Store) -> None:
    file.write_text("customers = 1")

    with pytest.raises(ConfigurationError, match="must be tables"):
        PriceFollower(store.engine)
    with pytest.raises(ConfigurationError, match="must be tables"):
        Ledger(store).write([make_record()], rates=())
