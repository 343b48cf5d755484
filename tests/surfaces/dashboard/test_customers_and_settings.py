from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from html import unescape

import pytest
from httpx2 import Response
from sqlalchemy import text
from starlette.testclient import TestClient

from spantoll.customers.statement import Statement
from spantoll.query import to_usd
from spantoll.query.windows import find_zone, list_windows
from spantoll.records import UsageRecord
from spantoll.settings import load_settings
from spantoll.storage import KeyRing, SqlStore, Store, make_key
from spantoll.storage.customers_statement import read_statement
from spantoll.storage.own_prices import read_exchange_rates
from spantoll.storage.owner_rules import OwnerRule, add_owner_rules
from spantoll.storage.periods import close_period
from spantoll.surfaces.cells import format_dollars
from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.rest import Access, RestContext, make_application
from tests.surfaces.conftest import DemoServer
from tests.surfaces.dashboard.conftest import NOW_NS, Get, find_token, sign_in


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
    statements = re.findall(r'href="/customers/(\w+)\?month=2026-11&amp;tz=UTC"', page)
    assert sorted(statements) == ["acme", "globex", "initech"]
    assert re.search(r"<li>[^<]*minimum 20[^<]*initech", page, re.DOTALL)


def test_the_page_of_customers_says_that_only_statements_have_minimum_charges(get: Get) -> None:
    page = get("/customers?last=30d&where=customer_id%3Dinitech")

    shown = re.search(r'data-measure="revenue_usd">\$([\d.]+)', page)
    assert shown
    assert float(shown[1]) < 20, "the statement has a minimum charge of 20 USD"
    assert "Revenue and margin are those of calls." in page
    assert "included quantities and minimum charges" in page


def test_the_users_that_cost_most_lead_to_their_records(get: Get) -> None:
    page = get("/customers?last=30d")

    table = re.search(r'<table data-card="users">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    asked = "measure=requests&measure=cost_usd&by=user_id&order=-cost_usd&limit=10"
    answer = json.loads(get(f"/api/v1/usage/query?last=30d&{asked}"))
    assert table
    rows = re.findall(r'<a href="[^"]*">([^<]*)</a></td>\s*<td class="number">([\d,]+)<', table[1])
    records = re.search(r'<a href="(/records[^"]*)"', table[1])
    assert rows == [(row["user_id"] or "unknown", f"{row['requests']:,}") for row in answer["rows"]]
    assert records
    counted = unescape(records[1]).replace("/records?", "/api/v1/usage/query?measure=requests&")
    assert json.loads(get(counted))["totals"]["requests"] == answer["rows"][0]["requests"]


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


def test_a_record_shows_what_its_customer_pays_for_it_and_why(
    demo_server: DemoServer, get: Get
) -> None:
    with demo_server.store.engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT id, revenue_nano, cost_nano FROM usage_record"
                " WHERE counted AND customer_id = 'acme' AND revenue_nano > 0 LIMIT 1"
            )
        ).one()

    page = get(f"/records/{found.id}")

    # acme pays the cost and 20 % of it
    line = re.search(r"<td>the cost as a whole</td>.*?</tr>", page, re.DOTALL)
    assert line
    assert "markup 20 %" in line[0]
    assert f"{to_usd(found.revenue_nano):f}</td>" in line[0]
    assert f"data-revenue>{format_dollars(to_usd(found.revenue_nano))}<" in page
    margin = format_dollars(to_usd(found.revenue_nano - found.cost_nano))
    assert f"<dt>Margin</dt><dd>{margin}</dd>" in page
    assert "today's customer prices" not in page


def test_a_record_whose_customer_pays_otherwise_today_says_so(
    client: TestClient, store: Store, record: Callable[..., UsageRecord]
) -> None:
    store.write([record(customer_id="acme", revenue_nano=7)])

    page = client.get("/records/1").text

    assert "data-revenue>$0.000000007<" in page
    assert "Revenue lines" not in page
    assert "today's customer prices" in unescape(page)


def test_a_month_that_is_none_is_said_on_the_page(get: Get) -> None:
    page = get("/customers/acme?month=november")

    assert re.search(r'role="alert">month .*write a month such as', page)


def make_client(context: RestContext, store: Store, **limit: str) -> TestClient:
    """Make a client whose key reads, within a limit."""
    secret = make_key(store, "limited", scopes=["read"], now_ns=NOW_NS, **limit)
    keys = KeyRing()
    keys.load(store.engine)
    application = make_application(context, Access(keys), pages=add_dashboard)
    headers = {"Authorization": f"Bearer {secret}"}
    return TestClient(application, base_url="http://127.0.0.1:4318", headers=headers)


@pytest.mark.parametrize("path", ["/", "/customers", "/customers/acme", "/customers/globex"])
def test_a_key_of_a_customer_opens_no_page(
    context: RestContext, store: Store, filled: None, path: str
) -> None:
    answer = make_client(context, store, customer_id="acme").get(path)

    assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")
    assert "sees neither costs nor prices" in answer.json()["detail"]


def test_settings_are_for_keys_that_may_do_everything(context: RestContext, store: Store) -> None:
    answer = make_client(context, store).get("/settings")

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


def test_settings_show_rules_of_owners_and_closed_periods(
    client: TestClient, store: SqlStore
) -> None:
    rule = OwnerRule("team", "service_name", "search-", 7, "search<b>")
    with store.transaction() as connection:
        add_owner_rules(connection, [rule], now_ns=NOW_NS)
    close_period(store, "2026-10", tz="UTC", start_ns=1, end_ns=2, by="finance<b>", now_ns=NOW_NS)

    page = client.get("/settings").text

    text_of = re.sub("<(?!td)[^>]*>", "", page)
    assert "<td>service_name^=search-<td>team search&lt;b&gt;" in text_of
    assert "2026-10 (UTC), closed 2026-11-21" in page
    assert "by finance&lt;b&gt;" in page
    assert "<dt>Schema</dt>" in page


def test_a_rule_of_owners_leads_to_its_records_and_a_record_to_its_rule(
    client: TestClient, store: SqlStore, record: Callable[..., UsageRecord]
) -> None:
    rules = [
        OwnerRule("team", "user_id", "ann", 0, "search & <co>"),
        OwnerRule("cost_centre", "user_id", "a", 1, "4711", valid_from_ns=NOW_NS),
    ]
    store.write([record(user_id="ann"), record(user_id="ann"), record(user_id="bob")])
    with store.transaction() as connection:
        team, later = add_owner_rules(connection, rules, now_ns=NOW_NS)

    settings = client.get("/settings").text
    links = [unescape(each) for each in re.findall(r'href="(/records\?[^"]*)"', settings)]
    counts = [client.get(each).text.count('<a href="/records/') for each in links]
    page = client.get("/records/1").text
    shown = re.findall(r'data-owner="(\w+)">\w+ <a href="([^"]*)">([^<]*)</a>', page)

    assert counts == [2, 2, 0, 0]
    assert [(kind, unescape(owner)) for kind, _, owner in shown] == [("team", "search & <co>")]
    assert unescape(shown[0][1]) == links[1]
    assert f'href="/settings#owner-{team.id}"' in page
    assert f'<tr id="owner-{later.id}">' in settings


@pytest.mark.parametrize(("scope", "linked"), [("read", False), ("admin", True)])
def test_rules_and_settings_are_links_for_keys_that_see_the_settings(
    context: RestContext,
    store: SqlStore,
    record: Callable[..., UsageRecord],
    scope: str,
    linked: bool,
) -> None:
    store.write([record(user_id="ann")])
    with store.transaction() as connection:
        add_owner_rules(connection, [OwnerRule("team", "user_id", "ann", 0, "search")], now_ns=1)
    secret = make_key(store, "viewer", scopes=[scope], now_ns=NOW_NS)
    keys = KeyRing()
    keys.load(store.engine)
    application = make_application(context, Access(keys), pages=add_dashboard)
    headers = {"Authorization": f"Bearer {secret}"}
    client = TestClient(application, base_url="http://127.0.0.1:4318", headers=headers)

    page = client.get("/records/1").text

    assert "rule 1" in page
    assert ('href="/settings#owner-1"' in page) == linked
    assert ('<a href="/settings">Settings</a>' in page) == linked


RATE = {"currency": "eur", "usd": "1.25", "valid_from": "2026-01-01"}


def submit_rate(client: TestClient, **changed: str) -> Response:
    """Send the form of the page of settings."""
    form = {"csrf": find_token(client.get("/settings").text), **RATE, **changed}
    return client.post("/settings/rates", data=form)


def test_an_exchange_rate_is_set_with_an_entry_in_the_audit(client: TestClient) -> None:
    page = submit_rate(client).text

    events = client.get("/api/v1/audit").json()["events"]
    assert "1 EUR is 1.25 USD from 2026-01-01" in page
    assert [(each["action"], each["by"]) for each in events] == [
        ("prices", "testclient, without a key")
    ]
    assert events[0]["why"].startswith("exchange_rate: added [1]")


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"usd": "much"}, 422, "usd"),
        ({"currency": "USD"}, 422, "three letters other than USD"),
        ({"valid_from": "soon"}, 422, "soon"),
        ({"csrf": "of another page"}, 403, "load its page again"),
    ],
)
def test_what_is_no_rate_changes_nothing(
    client: TestClient, changed: dict[str, str], status: int, said: str
) -> None:
    answer = submit_rate(client, **changed)

    assert answer.status_code == status
    assert said in unescape(answer.text)
    assert client.get("/api/v1/audit").json()["events"] == []


def test_a_rate_that_overlaps_another_ends_it_on_demand_only(client: TestClient) -> None:
    submit_rate(client)

    refused = submit_rate(client, usd="1.5", valid_from="2026-06-01")
    replaced = submit_rate(client, usd="1.5", valid_from="2026-06-01", replace="on")

    assert refused.status_code == 422
    assert 'value="1.5"' in refused.text
    assert re.findall(r'data-rate="EUR">([^<]*)<', replaced.text) == [
        "1 EUR is 1.25 USD from 2026-01-01 to 2026-06-01, exchange rate 2 of the ledger",
        "1 EUR is 1.5 USD from 2026-06-01, exchange rate 3 of the ledger",
    ]


@pytest.mark.parametrize(("scopes", "status"), [(["read"], 403), (["read", "write"], 403)])
def test_a_rate_takes_a_key_that_sees_the_settings(
    context: RestContext, store: Store, scopes: list[str], status: int
) -> None:
    keys = KeyRing()
    secret = make_key(store, "key", scopes=scopes, now_ns=NOW_NS)
    keys.load(store.engine)
    application = make_application(context, Access(keys), pages=add_dashboard)
    client = TestClient(application, base_url="http://127.0.0.1:4318")
    assert sign_in(client, secret) == 303

    token = find_token(client.get("/").text)
    answer = client.post("/settings/rates", data={"csrf": token, **RATE})

    assert answer.status_code == status
    with store.transaction() as connection:
        assert read_exchange_rates(connection) == ()


def test_a_statement_is_in_the_currency_that_is_chosen(
    client: TestClient, store: Store, record: Callable[..., UsageRecord]
) -> None:
    store.write([record(customer_id="acme", revenue_nano=5 * 10**9)])
    submit_rate(client)

    dollars = client.get("/customers/acme?month=2026-11").text
    euros = client.get("/customers/acme?month=2026-11&currency=EUR").text
    unknown = client.get("/customers/acme?month=2026-11&currency=GBP").text
    answer = client.get("/api/v1/customers/acme/statement?period=2026-11&currency=EUR").json()

    assert read_total(dollars) == "$5.00"
    assert read_total(euros) == "4.00 EUR"
    assert Decimal(answer["total_eur"]) == 4
    assert "<option selected>EUR</option>" in euros
    assert "no exchange rate of GBP" in unescape(unknown)


def read_total(page: str) -> str:
    found = re.search(r'data-statement="total">([^<]*)<', page)
    assert found
    return found[1]
