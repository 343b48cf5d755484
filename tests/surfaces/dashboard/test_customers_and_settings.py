from __future__ import annotations

import json
import re
from html import unescape

import pytest
from starlette.testclient import TestClient

from spantoll.customers.statement import Statement
from spantoll.query import to_usd
from spantoll.query.windows import find_zone, list_windows
from spantoll.settings import load_settings
from spantoll.storage import KeyRing, Store, make_key
from spantoll.storage.customers_statement import read_statement
from spantoll.surfaces.cells import format_dollars
from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.rest import Access, RestContext, make_application
from tests.surfaces.conftest import DemoServer
from tests.surfaces.dashboard.conftest import NOW_NS, Get


def read_card(page: str, measure: str) -> str:
    found = re.search(rf'data-measure="{measure}">([^<]*)<', page)
    assert found
    return found[1]


def test_revenue_and_margin_are_those_of_the_api(get: Get) -> None:
    page = get("/customers?last=30d")
    asked = "&".join(f"measure={name}" for name in ("cost_usd", "revenue_usd", "margin_usd"))
    totals = json.loads(get(f"/api/v1/usage/query?last=30d&{asked}"))["totals"]

    for name in ("cost_usd", "revenue_usd", "margin_usd"):
        digits = re.sub(r"[^\d.]", "", read_card(page, name))
        assert digits == f"{float(totals[name]):.2f}"
    assert len(re.findall(r'href="/customers/\w+"', page)) == 3
    assert re.search(r"<li>[^<]*minimum 20[^<]*initech", page, re.DOTALL)


def test_a_statement_is_the_one_of_the_command_line(demo_server: DemoServer, get: Get) -> None:
    page = get("/customers/acme?month=2026-11&tz=Europe/Berlin")

    (month,) = list_windows(
        "month", start_ns=NOW_NS, end_ns=NOW_NS + 1, tz=find_zone("Europe/Berlin")
    )
    statement: Statement = read_statement(
        demo_server.store.engine, "acme", start_ns=month.start_ns, end_ns=month.end_ns
    )
    shown = re.search(r'data-statement="total">([^<]*)<', page)
    assert shown
    assert statement.unknown
    assert shown[1] == format_dollars(to_usd(statement.total_nano), lower_bound=True)
    assert all(line.item in unescape(page) for line in statement.lines)
    assert "Margin" not in page


def test_a_month_that_is_none_is_said_on_the_page(get: Get) -> None:
    page = get("/customers/acme?month=november")

    assert re.search(r'role="alert">month .*write a month such as', page)


@pytest.fixture
def limited(context: RestContext, store: Store, filled: None) -> TestClient:
    """A client whose key sees the customer acme only."""
    secret = make_key(store, "acme", scopes=["read"], customer_id="acme", now_ns=NOW_NS)
    keys = KeyRing()
    keys.load(store.engine)
    application = make_application(context, Access(keys), pages=add_dashboard)
    headers = {"Authorization": f"Bearer {secret}"}
    return TestClient(application, base_url="http://127.0.0.1:4318", headers=headers)


def test_a_limited_key_sees_no_other_customer(limited: TestClient) -> None:
    customers = limited.get("/customers")
    own, other = limited.get("/customers/acme"), limited.get("/customers/globex")

    assert "globex" not in customers.text
    assert "What customers pay" not in customers.text
    assert (own.status_code, other.status_code) == (200, 404)
    assert "data-statement" not in other.text


def test_settings_are_for_keys_that_may_do_everything(limited: TestClient) -> None:
    answer = limited.get("/settings")

    assert answer.status_code == 403
    assert "scope admin" in answer.text


def test_settings_show_where_values_come_from_and_no_secret(
    context: RestContext, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = make_key(store, "ops", scopes=["admin"], now_ns=NOW_NS)
    monkeypatch.setenv("SPANTOLL_TOKENS", "hush-hush")
    settings = load_settings(database="postgresql://user:pass-word@db/ledger", tz="Asia/Kolkata")
    application = make_application(context, pages=lambda app: add_dashboard(app, settings=settings))

    page = TestClient(application, base_url="http://127.0.0.1:4318").get("/settings").text

    assert "variable SPANTOLL_TOKENS" in page
    assert "Asia/Kolkata" in page
    assert re.search(r"<td>ops</td>.*admin", page)
    assert not [each for each in ("hush-hush", "pass-word", secret) if each in page]
