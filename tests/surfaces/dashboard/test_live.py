"""Pages that refresh themselves: one answer for all who have the same page open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest
from starlette.testclient import TestClient

from spantoll.records import UsageRecord
from spantoll.storage import KeyRing, Store, make_key
from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.dashboard.live import KEPT_S, MOST, LivePages
from spantoll.surfaces.dashboard.render import Page
from spantoll.surfaces.rest import Access, RestContext, make_application
from tests.surfaces.dashboard.conftest import NOW_NS
from tests.surfaces.dashboard.test_pages import card

PERIOD = "from=2026-11-19&to=2026-11-22"


def test_the_same_page_is_answered_from_one_question_for_a_while() -> None:
    now_s = [0.0]
    pages = LivePages(clock_s=lambda: now_s[0])
    made: list[int] = []

    def make() -> Page:
        made.append(len(made))
        return Page("missing.html", {"made": len(made)})

    first = pages.fetch("a", make)
    now_s[0] = KEPT_S - 1
    second = pages.fetch("a", make)
    now_s[0] = KEPT_S + 1
    third = pages.fetch("a", make)

    assert first is second
    assert third is not first
    assert len(made) == 2


def test_pages_are_made_again_for_a_tenth_of_the_time_at_most() -> None:
    now_s = [0.0]
    pages = LivePages(clock_s=lambda: now_s[0])
    made: list[float] = []

    def make() -> Page:
        made.append(now_s[0])
        now_s[0] += 2
        return Page("missing.html", {})

    pages.fetch("a", make)
    pages.fetch("b", make)  # nothing is kept of it: it is made at once
    for _ in range(100):
        now_s[0] += 1
        pages.fetch("a", make)
        pages.fetch("b", make)

    # two seconds of work, and 18 without
    assert made[:2] == [0.0, 2.0]
    assert all(later - earlier >= 20 for earlier, later in pairwise(made[1:]))
    assert len(made) >= 6


def test_a_page_that_refreshes_itself_says_of_when_its_numbers_are(
    client: TestClient, filled: None
) -> None:
    assert "Numbers of 2026-11-21 12:00:00 (UTC)" in client.get(f"/?{PERIOD}&live=1").text
    assert "Numbers of" not in client.get(f"/?{PERIOD}").text


def test_while_another_page_is_made_an_older_one_does_not_wait() -> None:
    now_s = [0.0]
    pages = LivePages(clock_s=lambda: now_s[0])
    old = pages.fetch("old", lambda: Page("missing.html", {}))
    now_s[0] = KEPT_S + 1
    found: list[Page] = []

    def make_other() -> Page:
        thread = threading.Thread(
            target=lambda: found.append(pages.fetch("old", lambda: Page("missing.html", {})))
        )
        thread.start()
        thread.join(10)
        return Page("missing.html", {})

    pages.fetch("other", make_other)

    assert found == [old]
    assert found[0] is old


def test_pages_that_are_kept_are_bounded() -> None:
    pages = LivePages(clock_s=lambda: 0.0)
    made: list[int] = []

    def make() -> Page:
        made.append(1)
        return Page("missing.html", {})

    for number in range(MOST + 1):
        pages.fetch(number, make)
    pages.fetch(MOST, make)
    pages.fetch(0, make)

    assert len(made) == MOST + 2


def test_only_a_page_that_refreshes_itself_is_shared(
    client: TestClient, store: Store, filled: None, record: Callable[..., UsageRecord]
) -> None:
    live, fresh = f"/?{PERIOD}&live=1", f"/?{PERIOD}"
    before = card(client.get(live).text, "requests")
    store.write([record(customer_id="acme")])

    assert before == card(client.get(live).text, "requests") == "5"
    assert card(client.get(fresh).text, "requests") == "6"


def test_a_page_that_is_shown_already_is_not_sent_again(client: TestClient, filled: None) -> None:
    live = f"/?{PERIOD}&live=1"
    etag = client.get(live).headers["etag"]

    same = client.get(live, headers={"If-None-Match": etag})
    client.cookies.set("spantoll_theme", "dark")
    other = client.get(live, headers={"If-None-Match": etag})

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["cache-control"] == "private, no-store"
    assert other.status_code == 200


@pytest.mark.parametrize("path", ["/", "/records", "/explore", "/customers", "/health"])
def test_a_limited_key_is_not_given_the_page_of_another(
    context: RestContext, store: Store, filled: None, path: str
) -> None:
    secrets = {
        name: make_key(store, name, scopes=["read"], customer_id=customer, now_ns=NOW_NS)
        for name, customer in (("all", None), ("acme", "acme"))
    }
    keys = KeyRing()
    keys.load(store.engine)
    application = make_application(context, Access(keys), pages=add_dashboard)
    client = TestClient(application, base_url="http://127.0.0.1:4318")
    address = f"{path}?{PERIOD}&live=1&by=customer_id"

    pages = {
        name: client.get(address, headers={"Authorization": f"Bearer {secret}"}).text
        for name, secret in secrets.items()
    }

    assert "globex" not in pages["acme"]
    if path != "/health":
        assert "globex" in pages["all"]
