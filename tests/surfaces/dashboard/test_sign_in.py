from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from spantoll.errors import StoreUnavailable
from spantoll.records import UsageRecord
from spantoll.storage import (
    KeyRing,
    Store,
    begin_session,
    end_session,
    find_session,
    list_keys,
    make_key,
    open_store,
    revoke_key,
)
from spantoll.storage.browser_sessions import LIFETIME_S
from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.rest import Access, RestContext, make_application
from spantoll.surfaces.rest.sessions import COOKIE, FORM_COOKIE, RELOAD_S, Sessions
from tests.surfaces.dashboard.conftest import DAY_NS, NOW_NS, find_token, sign_in
from tests.surfaces.dashboard.test_pages import PAGES, card

ORIGIN = "http://127.0.0.1:4318"
HTML = {"Accept": "text/html,*/*;q=0.8"}
EVIL = {"Origin": "https://evil.example"}


@pytest.fixture
def secret(store: Store, record: Callable[..., UsageRecord]) -> str:
    """The secret of a key that sees the tenant acme only; the calls of a tenant are of customers
    of the same name."""
    calls: Sequence[dict[str, Any]] = (
        *({"customer_id": "acme", "input_tokens": 1_000} for _ in range(2)),
        {"customer_id": "globex", "started_ns": NOW_NS - 2 * DAY_NS},
        {"customer_id": "acme", "model": "o3<b>", "status": "error", "error_type": "timeout"},
        {"customer_id": "new-model", "model": "new-model", "pricing_status": "unpriced"},
    )
    store.write([record(tenant_id=call["customer_id"], **call) for call in calls])
    return make_key(store, "acme", scopes=["read"], tenant_id="acme", now_ns=NOW_NS)


@pytest.fixture
def clock() -> list[float]:
    """Seconds; tests move it."""
    return [0.0]


@pytest.fixture
def keys(store: Store, secret: str) -> KeyRing:
    ring = KeyRing()
    ring.load(store.engine)
    return ring


@pytest.fixture
def sessions(store: Store, clock: list[float]) -> Sessions:
    return Sessions(store.engine, now_ns=lambda: NOW_NS, clock_s=lambda: clock[0])


@pytest.fixture
def begun(store: Store, secret: str, keys: KeyRing) -> tuple[int, str]:
    """The id of a key that is signed in, and the cookie of its session."""
    key = keys.find(secret)
    assert key
    return key.id, begin_session(store, key.id, now_ns=NOW_NS)


@pytest.fixture
def closed(context: RestContext, keys: KeyRing, clock: list[float]) -> TestClient:
    """A browser before a server that takes keys."""
    return browse(replace(context, now_ns=lambda: NOW_NS + int(clock[0] * 10**9)), keys)


@pytest.fixture
def restarted(context: RestContext, store: Store) -> Iterator[TestClient]:
    """A browser before another server of the same ledger."""
    reopened = open_store(store.url)
    ring = KeyRing()
    ring.load(reopened.engine)
    yield browse(replace(context, engine=reopened.engine, store=reopened), ring)
    reopened.close()


def browse(context: RestContext, keys: KeyRing) -> TestClient:
    application = make_application(context, Access(keys), pages=add_dashboard)
    return TestClient(application, base_url=ORIGIN, headers=HTML)


SPLIT = (
    "/explore?by=customer_id&last=",
    "/explore?by=model&window=day&last=&where=customer_id%3Dglobex",
    "/explore?by=model&last=&where=customer_id!%3Dacme",
    "/customers?last=",
    "/customers/globex",
    "/customers/acme?tenant=other",
    "/records?last=&where=customer_id%3Dglobex&uncounted=true",
    "/?last=&where=customer_id%3Dglobex",
)
"""Pages and filters that would show another customer, if anything did."""


def test_a_page_leads_to_the_form_and_the_form_back_to_the_page(
    closed: TestClient, secret: str
) -> None:
    asked = closed.get("/records?last=7d&where=model%3Dgpt-4o")
    token = find_token(asked.text)
    following = re.search(r'name="next" value="([^"]*)"', asked.text)
    assert following

    form = {"csrf": token, "key": f" {secret} ", "next": following[1].replace("&amp;", "&")}
    page = closed.post("/login", data=form)

    assert asked.url.path == "/login"
    assert str(page.url) == f"{ORIGIN}/records?last=7d&where=model%3Dgpt-4o"
    assert "Sign out" in page.text


def test_a_signed_in_browser_sees_what_its_key_may_see(closed: TestClient, secret: str) -> None:
    assert sign_in(closed, secret) == 303

    pages = [closed.get(path).text for path in (*PAGES, *SPLIT)]
    answer = closed.get("/api/v1/usage/query?measure=requests").json()

    assert card(pages[0], "requests") == "3"
    assert answer["totals"]["requests"] == 3
    # what was asked for is on the page, but not a row of it
    assert not [page for page in pages if re.search(r"<td>[^/]*(globex|new-model)", page)]
    others = [closed.get(path).text for path in SPLIT if "globex" in path]
    assert not [page for page in others if "$2.50" in page or "data-statement" in page]


def test_the_cookie_is_for_this_site_and_no_script(closed: TestClient, secret: str) -> None:
    token = find_token(closed.get("/login").text)

    answer = closed.post("/login", data={"csrf": token, "key": secret}, follow_redirects=False)

    cookie = answer.headers["set-cookie"].lower()
    assert all(each in cookie for each in ("httponly", "samesite=lax", "path=/", "max-age="))
    assert secret not in cookie


def test_a_session_writes_nothing_by_the_api(closed: TestClient, secret: str) -> None:
    sign_in(closed, secret)

    answers = [
        closed.post("/api/v1/estimate", json={}),
        closed.post("/logout", data={"csrf": "0" * 64}),
        closed.post("/logout", data={"csrf": find_token(closed.get("/").text)}, headers=EVIL),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert closed.get("/").url.path == "/"


def test_signing_out_ends_the_session_and_not_only_the_cookie(
    closed: TestClient, secret: str
) -> None:
    sign_in(closed, secret)
    cookie = closed.cookies[COOKIE]

    closed.post("/logout", data={"csrf": find_token(closed.get("/").text)})
    closed.cookies.set(COOKIE, cookie)

    assert closed.get("/").url.path == "/login"


@pytest.mark.parametrize("given", ["stk_guessed", "", "\x00", "é"])
def test_a_key_that_is_not_known_is_said_on_the_form(closed: TestClient, given: str) -> None:
    token = find_token(closed.get("/login").text)

    answer = closed.post("/login", data={"csrf": token, "key": given})

    assert answer.status_code == 401
    assert re.search(r'role="alert">This key is not known', answer.text)
    assert COOKIE not in closed.cookies


def test_a_key_of_one_customer_opens_no_page_with_costs(
    closed: TestClient, store: Store, keys: KeyRing
) -> None:
    customer = make_key(store, "c", scopes=["read"], customer_id="acme", now_ns=NOW_NS)
    keys.load(store.engine)
    token = find_token(closed.get("/login").text)

    answer = closed.post("/login", data={"csrf": token, "key": customer})
    page = closed.get("/records", headers={"Authorization": f"Bearer {customer}"})

    assert answer.status_code == 401
    assert "every page shows costs" in answer.text
    assert (page.status_code, COOKIE in closed.cookies) == (403, False)


@pytest.mark.parametrize(
    "following", ["https://evil.example/", "//evil.example", "/\\evil.example", "x", "/\r\na: b"]
)
def test_nobody_is_led_elsewhere(closed: TestClient, secret: str, following: str) -> None:
    token = find_token(closed.get("/login").text)

    form = {"csrf": token, "key": secret, "next": following}
    answer = closed.post("/login", data=form, follow_redirects=False)

    assert answer.headers["location"] == "/"


def test_a_session_ends_with_its_key(
    closed: TestClient, secret: str, store: Store, keys: KeyRing
) -> None:
    sign_in(closed, secret)

    revoke_key(store, list_keys(store.engine)[0].id, now_ns=NOW_NS)
    keys.load(store.engine)

    assert closed.get("/").url.path == "/login"


def test_a_session_ends_after_a_working_day(
    closed: TestClient, secret: str, clock: list[float]
) -> None:
    sign_in(closed, secret)

    clock[0] = LIFETIME_S - 1
    before = closed.get("/").url.path
    clock[0] = LIFETIME_S + 1

    assert (before, closed.get("/").url.path) == ("/", "/login")


def test_another_server_of_the_ledger_knows_the_session_and_its_forms(
    closed: TestClient, restarted: TestClient, store: Store, secret: str
) -> None:
    sign_in(closed, secret)
    restarted.cookies.update(closed.cookies)
    token = find_token(closed.get("/").text)

    page = restarted.get("/")
    signed_out = restarted.post("/logout", data={"csrf": token}, follow_redirects=False)

    assert (page.url.path, signed_out.status_code) == ("/", 303)
    assert find_session(store.engine, closed.cookies[COOKIE]) is None


def test_one_server_shows_the_form_and_another_takes_it(
    closed: TestClient, restarted: TestClient, secret: str
) -> None:
    token = find_token(closed.get("/login").text)
    restarted.cookies.set(FORM_COOKIE, closed.cookies[FORM_COOKIE])

    form = {"csrf": token, "key": secret}
    answer = restarted.post("/login", data=form, follow_redirects=False)

    assert (answer.status_code, COOKIE in restarted.cookies) == (303, True)


def test_the_token_of_one_browser_is_refused_of_another(
    closed: TestClient, restarted: TestClient, secret: str
) -> None:
    token = find_token(closed.get("/login").text)
    restarted.get("/login")

    answer = restarted.post("/login", data={"csrf": token, "key": secret})
    restarted.cookies.clear()
    without_cookie = restarted.post("/login", data={"csrf": token, "key": secret})

    assert (answer.status_code, without_cookie.status_code) == (403, 403)


def test_a_session_that_another_server_ended_is_refused_a_second_later(
    store: Store, sessions: Sessions, begun: tuple[int, str], clock: list[float]
) -> None:
    key_id, cookie = begun

    async def find() -> list[int | None]:
        found = [await sessions.find_key_id(cookie)]
        end_session(store, cookie)
        found.append(await sessions.find_key_id(cookie))
        clock[0] = RELOAD_S
        return [*found, await sessions.find_key_id(cookie)]

    assert asyncio.run(find()) == [key_id, key_id, None]


def test_sessions_in_memory_stay_valid_while_the_database_is_away(
    store: Store, sessions: Sessions, begun: tuple[int, str], clock: list[float]
) -> None:
    key_id, cookie = begun

    async def find() -> int | None:
        await sessions.find_key_id(cookie)
        with store.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE browser_session RENAME TO gone")
        clock[0] = 2 * RELOAD_S
        return await sessions.find_key_id(cookie)

    assert asyncio.run(find()) == key_id
    with pytest.raises(StoreUnavailable):
        asyncio.run(sessions.find_key_id("of no browser that was seen"))


def test_a_session_that_cannot_be_looked_up_is_asked_for_again_later(
    closed: TestClient, store: Store
) -> None:
    with store.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE browser_session RENAME TO gone")
    closed.cookies.set(COOKIE, "of no browser that was seen")

    page = closed.get("/")
    answer = closed.get("/api/v1/usage/query")

    assert (page.status_code, page.headers["retry-after"]) == (503, "3")
    assert "spantoll doctor" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.json()["title"] == "Service Unavailable"


def test_guesses_of_a_cookie_are_counted(context: RestContext, keys: KeyRing, secret: str) -> None:
    application = make_application(context, Access(keys, rate="2/minute"), pages=add_dashboard)
    client = TestClient(application, base_url=ORIGIN, headers=HTML, follow_redirects=False)

    statuses = [
        client.get("/", headers={"Cookie": f"{COOKIE}={guess}"}).status_code for guess in range(3)
    ]

    assert statuses == [303, 303, 429]


def test_programs_are_not_led_to_a_form(closed: TestClient) -> None:
    program = closed.get("/api/v1/records", headers={"Accept": "*/*"})

    assert (program.status_code, program.headers["www-authenticate"]) == (401, "Bearer")
    assert closed.get("/static/style.css").status_code == 200
    assert closed.get("/static/live.js").url.path == "/login"


def test_a_password_of_http_basic_is_no_key(closed: TestClient, secret: str) -> None:
    assert closed.get("/", auth=("", secret)).status_code == 401
