"""Price sets: published prices over HTTP or from files, refused where they are absurd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest
from genai_prices.data import providers
from hypothesis import given
from hypothesis import strategies as st

from spantoll.pipeline.price_sync import (
    INSTALLED,
    PriceRefresher,
    fetch_content,
    start_refreshing,
    sync_prices,
)
from spantoll.pipeline.user_pricing import PriceFollower, load_user_card
from spantoll.pricing.documents import PriceSetRefused, dump_installed, read_providers
from spantoll.pricing.litellm import read_litellm_model
from spantoll.pricing.sources import find_disagreements
from spantoll.pricing.timeline import instant_ns
from spantoll.storage import Store, list_price_sets, open_store
from spantoll.storage.price_sets import find_current_sets, read_price_documents

NOW_NS = instant_ns("2026-11-21T12:00")
DAY_NS = 86_400 * 10**9


class Published(NamedTuple):
    """A loopback server with one document; requests are counted."""

    url: str
    answer: dict[str, Any]
    """`body` and `status` of the next answers; `requests` counts them."""


@pytest.fixture
def published() -> Iterator[Published]:
    answer: dict[str, Any] = {"body": b"", "status": 200, "requests": 0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer["requests"] += 1
            self.send_response(answer["status"])
            self.send_header("Content-Length", str(len(answer["body"])))
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield Published(f"http://127.0.0.1:{server.server_port}/prices.json", answer)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.delenv("SPANTOLL_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    opened = open_store(str(tmp_path / "ledger.db"))
    yield opened
    opened.close()


def litellm(**prices: str) -> bytes:
    """Write LiteLLM's JSON: models of `acme` by USD per input token."""
    return (
        b"{"
        + b",".join(
            f'"acme/{name.replace("_", "-")}": {{"litellm_provider": "acme",'
            f' "input_cost_per_token": {usd}, "output_cost_per_token": {usd}}}'.encode()
            for name, usd in prices.items()
        )
        + b"}"
    )


def feed(usd: str) -> bytes:
    """Write genai-prices' feed with another input price of gpt-4o."""
    raw = json.loads(dump_installed(as_of="2026-11-21").content)
    for provider in raw:
        for model in provider["models"]:
            if (provider["id"], model["id"]) == ("openai", "gpt-4o"):
                model["prices"]["input_mtok"] = usd
    return json.dumps(raw).encode()


def price_of(store: Store, provider: str, model: str) -> tuple[str, Decimal, str] | None:
    """Return source, input price of a million tokens and price set of what bills now."""
    rate = load_user_card(store.engine).find_rate(provider, model, NOW_NS + 1)
    if rate is None:
        return None
    price = next(price for price in rate.prices if price.metric == "input")
    return rate.source, price.amount_usd, rate.price_set


def in_utc(prices: object) -> str:
    """Write prices; a zone that was read from text is named otherwise than the one in code."""
    return str(prices).replace("TzInfo(0)", "datetime.timezone.utc")


def test_the_installed_catalogue_is_written_and_read_without_loss() -> None:
    read = read_providers(dump_installed(as_of="2026-11-21").content)

    assert [provider.id for provider in read] == [provider.id for provider in providers]
    for ours, theirs in zip(read, providers, strict=True):
        assert ours.fallback_model_providers == theirs.fallback_model_providers
        for one, other in zip(ours.models, theirs.models, strict=True):
            assert (one.id, one.match) == (other.id, other.match)
            assert in_utc(one.prices) == in_utc(other.prices)
            assert in_utc(one.price_variants) == in_utc(other.price_variants)


def test_the_installed_catalogue_becomes_a_set_that_bills_by_its_hash(store: Store) -> None:
    before = price_of(store, "openai", "gpt-4o")

    synced = sync_prices(store, INSTALLED, now_ns=NOW_NS)

    assert before is not None
    assert price_of(store, "openai", "gpt-4o") == (*before[:2], synced.document.sha256)
    assert [each.sha256 for each in list_price_sets(store.engine)] == [synced.document.sha256]


def test_a_published_feed_bills_once_it_was_synced(store: Store, published: Published) -> None:
    published.answer["body"] = feed("2.00")

    synced = sync_prices(store, published.url, now_ns=NOW_NS)

    found = price_of(store, "openai", "gpt-4o")
    assert found == ("catalogue", Decimal("2.00"), synced.document.sha256)


def test_the_same_document_is_one_set(store: Store, tmp_path: Path) -> None:
    (tmp_path / "litellm.json").write_bytes(litellm(a="1e-06"))

    synced = [sync_prices(store, "litellm.json", now_ns=NOW_NS + n) for n in range(2)]

    assert [each.is_new for each in synced] == [True, False]
    assert len(list_price_sets(store.engine)) == 1


def test_sets_stay_as_they_were_and_an_earlier_one_can_be_chosen_again(
    store: Store, tmp_path: Path
) -> None:
    for day, (name, usd) in enumerate([("a", "1e-06"), ("b", "2e-06"), ("a", "1e-06")]):
        (tmp_path / f"{name}.json").write_bytes(litellm(m=usd))
        sync_prices(store, f"{name}.json", now_ns=NOW_NS + day)

    stored = list_price_sets(store.engine)
    documents = read_price_documents(store.engine, stored)
    assert sorted(each.content for each in documents) == sorted(
        [litellm(m="1e-06"), litellm(m="2e-06")]
    )
    assert price_of(store, "acme", "m") == ("litellm", Decimal(1), stored[0].sha256)


def test_litellm_stands_behind_the_catalogue_and_the_record_names_it(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "litellm.json").write_bytes(
        litellm(m="1e-06")[:-1] + b',"gpt-4o": {"litellm_provider": "openai",'
        b' "input_cost_per_token": 9e-06}}'
    )

    sync_prices(store, "litellm.json", now_ns=NOW_NS)

    known, new = price_of(store, "openai", "gpt-4o"), price_of(store, "acme", "m")
    assert known is not None
    assert known[:2] == ("catalogue", Decimal("2.5"))
    assert new is not None
    assert new[:2] == ("litellm", Decimal(1))
    differing = {
        (each.provider, each.model, each.metric): dict(each.amounts)
        for each in find_disagreements(load_user_card(store.engine), at_ns=NOW_NS + 1)
    }
    amounts = differing["openai", "gpt-4o", "input"]
    assert list(amounts.values()) == [Decimal("0.0000025"), Decimal("0.000009")]


ABSURD: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 200, "not JSON"),
    "an empty list": (b"[]", 200, "no model with a price"),
    "an empty object": (b"{}", 200, "no model with a price"),
    "a page": (b"<html>", 200, "not JSON"),
    "a number": (b"7", 200, "neither"),
    "a list of something else": (b'[{"a": 1}]', 200, "not genai-prices' feed"),
    "half the models gone": (litellm(a="1e-06"), 200, "1 models, where there were 3"),
    "an error": (litellm(a="1e-06", b="1e-06", c="1e-06"), 500, "status 500|too many 500"),
}


@pytest.mark.parametrize(("body", "status", "message"), ABSURD.values(), ids=ABSURD)
def test_an_absurd_download_leaves_the_set_in_use(
    body: bytes, status: int, message: str, store: Store, published: Published
) -> None:
    published.answer["body"] = litellm(a="1e-06", b="1e-06", c="1e-06")
    sync_prices(store, published.url, now_ns=NOW_NS)
    before = list_price_sets(store.engine)
    published.answer.update(body=body, status=status)

    with pytest.raises(PriceSetRefused, match=message):
        sync_prices(store, published.url, now_ns=NOW_NS + DAY_NS)

    assert list_price_sets(store.engine) == before


def test_a_server_that_is_gone_leaves_the_set_in_use(store: Store) -> None:
    with pytest.raises(PriceSetRefused, match=r"127\.0\.0\.1"):
        sync_prices(store, "http://127.0.0.1:1/prices.json", now_ns=NOW_NS)

    assert list_price_sets(store.engine) == []


def test_a_price_that_leapt_keeps_its_row_until_it_is_accepted(
    store: Store, published: Published
) -> None:
    published.answer["body"] = litellm(a="1e-06", b="1e-06")
    sync_prices(store, published.url, now_ns=NOW_NS)
    published.answer["body"] = litellm(a="1e-04", b="2e-06")

    held = sync_prices(store, published.url, now_ns=NOW_NS + DAY_NS)
    while_held = [price_of(store, "acme", model) for model in "ab"]
    sync_prices(store, published.url, accept=True, now_ns=NOW_NS + 2 * DAY_NS)
    accepted = [price_of(store, "acme", model) for model in "ab"]

    assert {(leap.model, leap.metric) for leap in held.leaps} == {
        ("acme/a", "input"),
        ("acme/a", "output"),
    }
    assert held.document.held == (("litellm", "acme/a"),)
    assert [found and found[1] for found in while_held] == [Decimal(1), Decimal(2)]
    assert [found and found[1] for found in accepted] == [Decimal(100), Decimal(2)]


def test_a_leap_beside_the_installed_catalogue_is_held_too(
    store: Store, published: Published
) -> None:
    published.answer["body"] = feed("250")

    synced = sync_prices(store, published.url, now_ns=NOW_NS)

    found = price_of(store, "openai", "gpt-4o")
    assert synced.document.held == (("openai", "gpt-4o"),)
    assert found is not None
    assert found[1] == Decimal("2.5")


def test_a_refresh_is_due_after_24_hours_and_survives_a_failure(
    store: Store, published: Published, caplog: pytest.LogCaptureFixture
) -> None:
    published.answer["body"] = litellm(a="1e-06")
    now = [NOW_NS]
    refresher = PriceRefresher(store, [published.url], clock_ns=lambda: now[0])

    refresher.refresh_due()
    now[0] += DAY_NS - 1
    refresher.refresh_due()
    early = published.answer["requests"]
    now[0] += 1
    published.answer["body"] = b"[]"
    refresher.refresh_due()

    assert (early, published.answer["requests"]) == (1, 2)
    assert "prices stay as they were: no model with a price" in caplog.text
    assert len(find_current_sets(store.engine)) == 1


def test_a_refresher_without_sources_does_nothing(store: Store) -> None:
    refresher = start_refreshing(store, "", clock_ns=lambda: NOW_NS)

    refresher.close()

    assert list_price_sets(store.engine) == []


def test_a_running_card_takes_up_a_set(store: Store, tmp_path: Path) -> None:
    follower = PriceFollower(store.engine)
    (tmp_path / "litellm.json").write_bytes(litellm(m="1e-06"))

    sync_prices(store, "litellm.json", now_ns=NOW_NS)

    assert [follower.look(), follower.look()] == [True, False]
    assert follower.card.find_rate("acme", "m", NOW_NS) is not None


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(PriceSetRefused, match="No such file"):
        fetch_content("missing.json")


FIELDS: dict[str, tuple[dict[str, Any], list[tuple[str, str, str, int, str]]]] = {
    "tokens": (
        {"litellm_provider": "openai", "input_cost_per_token": Decimal("2.5e-06")},
        [("openai", "input", "2.5", 1_000_000, "")],
    ),
    "batch": (
        {"litellm_provider": "openai", "output_cost_per_token_batches": Decimal("1e-06")},
        [("openai", "output", "1", 1_000_000, "batch")],
    ),
    "a tier above a step": (
        {
            "litellm_provider": "gemini",
            "input_cost_per_token_above_200k_tokens_priority": Decimal("1e-06"),
        },
        [("google", "input", "1", 1_000_000, "service_tier=priority;input_tokens>=200001")],
    ),
    "a cache of an hour": (
        {
            "litellm_provider": "bedrock_converse",
            "cache_creation_input_token_cost_above_1hr": Decimal("6e-06"),
        },
        [("aws", "cache_write_1h", "6", 1_000_000, "")],
    ),
    "seconds of a transcription": (
        {
            "litellm_provider": "groq",
            "mode": "audio_transcription",
            "input_cost_per_second": Decimal("0.0001"),
        },
        [("groq", "audio_ms", "0.0001", 1_000, "")],
    ),
    "seconds of a machine": (
        {"litellm_provider": "bedrock", "input_cost_per_second": Decimal("0.01")},
        [],
    ),
    "an image": (
        {"litellm_provider": "vertex_ai-image-models", "output_cost_per_image": Decimal("0.04")},
        [("vertex", "images", "0.04", 1, "")],
    ),
    "a text that is no number": (
        {"litellm_provider": "openai", "input_cost_per_token": "free"},
        [],
    ),
    "a zero that may be unknown": (
        {"litellm_provider": "openai", "input_cost_per_token": 0},
        [],
    ),
}


@pytest.mark.parametrize(("entry", "expected"), FIELDS.values(), ids=FIELDS)
def test_litellms_cost_fields_are_read_as_rows(
    entry: dict[str, Any], expected: list[tuple[str, str, str, int, str]]
) -> None:
    rows = list(read_litellm_model("m", entry, day="2026-11-21"))

    assert [
        (row.provider, row.price.metric, row.price.amount_usd, row.price.per, str(row.selector))
        for row in rows
    ] == [(p, metric, Decimal(usd), per, context) for p, metric, usd, per, context in expected]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.decimals(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
names = st.text(max_size=9) | st.sampled_from(["output_cost_per_token", "ocr_cost_per_page"])


@given(st.dictionaries(names, values, max_size=4))
def test_no_entry_of_a_published_file_breaks_reading(entry: dict[str, Any]) -> None:
    named = {**entry, "litellm_provider": "openai", "input_cost_per_token": Decimal("1e-06")}

    assert list(read_litellm_model("m", named, day="2026-11-21"))
