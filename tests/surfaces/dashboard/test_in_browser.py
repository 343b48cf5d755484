"""The pages in a real Chromium: `make browser` installs it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright

from spantoll.pipeline import make_settle
from spantoll.receiver import Receiver
from spantoll.storage import Store
from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.rest import RestContext, make_application
from tests.receiver.conftest import Running, chat, local, request

PAGES = (
    "/",
    "/explore?by=model&window=day&last=30d&measure=cost_usd",
    "/customers",
    "/customers/acme",
    "/settings",
    "/login",
    "/prices/new?provider=openai&model=new-model",
    "/records?uncounted=true",
    "/records/1",
    "/models",
    "/models/openai/gpt-4o",
    "/health",
)
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser(missing: Callable[[str, str], NoReturn]) -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        missing("chromium", "make browser")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        launched = playwright.chromium.launch(executable_path=program, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def server(store: Store, context: RestContext) -> Iterator[Running]:
    application = make_application(context, pages=add_dashboard)
    card = context.rate_card
    running = Running(
        Receiver(store, card, local(), settle=make_settle(card), application=application)
    )
    yield running
    running.stop()


class Visitor:
    """A page with what it complained of and what it asked of other hosts."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.route("**/*", self._keep_on_host)
        self.address = address

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.problems.append(text)

    def _keep_on_host(self, route: Route) -> None:
        if not route.request.url.startswith(self.address):
            self.problems.append(f"asked for {route.request.url}")
        route.continue_()

    def go(self, path: str) -> None:
        self.page.goto(self.address + path)


@pytest.fixture
def visit(browser: Browser, server: Running) -> Iterator[Callable[..., Visitor]]:
    contexts = []

    def open_page(**options: object) -> Visitor:
        contexts.append(browser.new_context(**options))  # type: ignore[arg-type]  # of playwright
        return Visitor(contexts[-1].new_page(), f"http://127.0.0.1:{server.http_port}")

    yield open_page
    for each in contexts:
        each.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_have_no_error_and_no_serious_finding_of_axe(
    visit: Callable[..., Visitor], filled: None, scheme: str
) -> None:
    visitor = visit(color_scheme=scheme)

    found = []
    for path in PAGES:
        visitor.go(path)
        answer = Axe().run(visitor.page).response
        found += [
            (path, each["id"], [node["html"] for node in each["nodes"]])
            for each in answer["violations"]
            if each["impact"] in SERIOUS
        ]

    assert found == []
    assert visitor.problems == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_a_phone(visit: Callable[..., Visitor], filled: None, path: str) -> None:
    visitor = visit(viewport={"width": 360, "height": 640})

    visitor.go(path)
    width = visitor.page.evaluate("document.documentElement.scrollWidth")

    assert width <= 360


def test_pages_read_and_filter_without_javascript(
    visit: Callable[..., Visitor], filled: None
) -> None:
    visitor = visit(java_script_enabled=False)

    visitor.go("/")
    visitor.page.fill('input[name="where"]:not([type="hidden"])', "customer_id=acme")
    visitor.page.click("button")
    visitor.page.click('dd[data-measure="requests"] a')

    assert visitor.page.locator("tbody tr").count() == 3
    assert visitor.problems == []


def test_pages_are_used_with_the_keyboard_alone(
    visit: Callable[..., Visitor], filled: None
) -> None:
    visitor = visit()
    visitor.go("/")

    visitor.page.keyboard.press("Tab")
    skip = visitor.page.evaluate("document.activeElement.textContent")
    for _ in range(3):
        visitor.page.keyboard.press("Tab")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url("**/records*")

    assert skip == "Skip to content"
    assert visitor.page.title() == "Records · SpanToll"


def test_a_model_without_a_price_is_priced_in_four_clicks(
    visit: Callable[..., Visitor], filled: None
) -> None:
    visitor = visit(java_script_enabled=False)
    visitor.go("/health")

    visitor.page.click("text=Give new-model a price")
    visitor.page.fill('input[name="input"]', "2")
    visitor.page.click("text=See what changes")
    visitor.page.click("text=Set this price and apply it")

    assert "The price is set" in visitor.page.inner_text('[role="status"]')
    assert visitor.problems == []


def test_an_empty_page_shows_the_first_call_that_comes(
    visit: Callable[..., Visitor], server: Running
) -> None:
    visitor = visit()
    visitor.go("/")
    waiting = visitor.page.title()

    server.http_protobuf(request(chat(1)).SerializeToString())
    visitor.page.wait_for_selector('dd[data-measure="requests"]', timeout=60_000)

    assert waiting == "Waiting for the first call · SpanToll"
    assert visitor.problems == []
