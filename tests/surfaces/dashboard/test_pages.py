from __future__ import annotations

import re
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from spantoll.storage import Store
from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.rest import RestContext, make_application

JSON = {"Content-Type": "application/json"}
PAGES = ("/", "/records", "/records/1", "/models", "/models/openai/gpt-4o", "/health", "/docs")


def card(page: str, measure: str) -> str:
    found = re.search(rf'data-measure="{measure}">(?:<a [^>]*>)?([^<]*)', page)
    assert found
    return found[1]


def test_an_empty_ledger_says_how_to_fill_it(client: TestClient) -> None:
    page = client.get("/").text

    assert "Waiting for the first call" in page
    assert page.count("<pre") == 3
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 spantoll run" in page


def test_the_event_that_an_empty_ledger_shows_fills_it(client: TestClient) -> None:
    page = client.get("/").text
    body = re.search(r"-d '(.*)'", page)
    assert body

    stored = client.post("/api/v1/records", content=body[1], headers=JSON)

    assert stored.status_code == 201
    assert "Overview" in client.get("/").text


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_nothing_from_elsewhere(client: TestClient, filled: None, path: str) -> None:
    response = client.get(path)

    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', response.text)
    loaded = re.findall(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="([^"]*)"', response.text)
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert all(each.startswith("/static/") for each in loaded)
    assert all(each.startswith(("/", "#", "http://jaeger.invalid")) for each in addresses)
    assert " style=" not in response.text


def test_the_overview_shows_what_the_api_answers(client: TestClient, filled: None) -> None:
    page = client.get("/").text
    totals = client.get("/api/v1/usage/query?last=30d&measure=cost&measure=requests").json()

    # 4 x 2.50 USD; one more call has no price, so that is the least it can be
    assert totals["totals"]["cost_usd"] == "10.000000000"
    assert (card(page, "cost_usd"), card(page, "requests")) == ("$10.00+", "5")
    assert (card(page, "success_rate"), card(page, "errors")) == ("80.0%", "1")
    assert card(page, "input_tokens") == "2,500"


def test_a_card_leads_to_its_records(client: TestClient, filled: None) -> None:
    page = client.get("/").text

    link = re.search(r'href="(/records\?[^"]*customer_id%3Dacme[^"]*)"', page)
    assert link
    records = client.get(link[1].replace("&amp;", "&")).text

    assert records.count("/records/") - records.count('href="/records/?') >= 3
    assert "globex" not in records


def test_every_bar_has_a_row_in_the_table_and_the_chart_a_sentence(
    client: TestClient, filled: None
) -> None:
    page = client.get("/?last=7d&by=").text
    page, _, _ = page.partition("Calls by outcome")

    bars = re.findall(r"<title>(.*?): (.*?)</title></rect>", page)
    rows = re.findall(r'<tr><td><a [^>]*>([\d-]+)</a></td><td class="number">(.*?)</td>', page)
    assert bars == rows
    assert dict(bars)["2026-11-19"] == "$2.50"
    assert "The highest is 2026-11-20 with $7.50+." in page


def test_a_record_shows_why_it_costs_what_it_costs(client: TestClient, store: Store) -> None:
    call = {
        "provider": "openai",
        "model": "gpt-4o",
        "usage": {"input_tokens": 1_000_000, "output_tokens": 100_000},
    }
    stored = client.post("/api/v1/records", json=call).json()["records"][0]

    page = client.get(f"/records/{stored['id']}").text

    # 1,000,000 x 2.50 + 100,000 x 10 USD per million
    assert "$3.50" in page
    assert re.search(r"<td>input</td>.*1000000</td>.*2\.5.*2\.500000000</td>", page)
    assert "/models/openai/gpt-4o" in page
    assert "http://jaeger.invalid:16686/trace/" in page


def test_a_record_that_is_not_there_is_a_page_too(client: TestClient, filled: None) -> None:
    response = client.get("/records/99")

    assert response.status_code == 404
    assert "There is no record 99" in response.text


def test_data_health_names_what_has_no_price(client: TestClient, filled: None) -> None:
    page = client.get("/health").text

    assert "new-model" in page
    assert "unknown_model" in page
    assert "/prices/new?provider=openai&amp;model=new-model" in page


@pytest.mark.parametrize("path", ["/", "/records", "/health"])
@pytest.mark.parametrize("query", ["tz=Nowhere", "where=modle%3Dx", "from=yesteryear", "after=x"])
def test_what_cannot_be_read_is_said_on_the_page(
    client: TestClient, filled: None, path: str, query: str
) -> None:
    response = client.get(f"{path}?{query}")

    assert response.status_code == 200
    assert ('role="alert"' in response.text) is (query != "after=x" or path == "/records")


def test_text_of_spans_is_not_html(client: TestClient, filled: None) -> None:
    for path in ("/", "/records", "/health"):
        page = client.get(path).text
        assert "o3<b>" not in page
    assert "o3&lt;b&gt;" in client.get("/").text


@pytest.mark.usefixtures("filled")
def test_the_health_page_reads_the_end_of_a_long_period(context: RestContext) -> None:
    application = make_application(replace(context, most_read=4), pages=add_dashboard)
    client = TestClient(application, base_url="http://127.0.0.1:4318")

    page = client.get("/health?last=30d").text
    whole = client.get("/health?last=30d&emitters=all").text

    assert "of the last 24 hours of the period, since 2026-11-20 12:00:00 UTC" in page
    assert "emitters=all" in page
    assert "What follows is of" not in whole


@pytest.mark.parametrize("path", ["/", "/records", "/explore", "/customers", "/health"])
@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("latency_ms>5s", "cannot read &#39;5s&#39;: write a number"),
        ("status=failed", "unknown status &#39;failed&#39;: one of success, error"),
    ],
)
def test_a_filter_that_cannot_be_read_is_named_on_the_page(
    client: TestClient, filled: None, path: str, where: str, said: str
) -> None:
    answer = client.get(path, params={"where": where})

    assert answer.status_code == 200
    assert said in answer.text
    assert "<h1>" in answer.text
