"""The pages in a real Chromium, over the calls of the demo: `make browser` installs it."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import pictures
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, Route, sync_playwright

from spantoll.pipeline import make_settle
from spantoll.receiver import Receiver
from spantoll.storage import Store
from spantoll.surfaces.dashboard import add_dashboard
from spantoll.surfaces.rest import RestContext, make_application
from tests.receiver.conftest import Running, chat, local, request
from tests.surfaces.conftest import DemoServer

PAGES = (
    "/",
    "/?draw=lines&by=team&last=30d",
    "/explore?by=team&by=model&window=week&last=30d&measure=cost_usd&pivot=true",
    "/records?uncounted=true",
    "/records/1",
    "/models?provider=mistral_ai&test=gpt-4o",
    "/models/openai/gpt-4o",
    "/customers",
    "/customers/acme",
    "/health",
    "/prices/new?provider=mistral_ai&model=mistral-next-preview",
    "/settings",
    "/login",
)
ONLY_VIOLATIONS = {"resultTypes": ["violations"]}
"""Axe then describes in full only what is wrong."""
RULES = {"light": ONLY_VIOLATIONS, "dark": {**ONLY_VIOLATIONS, "runOnly": ["color-contrast"]}}
"""What axe looks at: in the dark only what differs there."""
PHONE = 360
"""Width of a screen in pixels."""
SERIOUS = ("serious", "critical")

Visit = Callable[..., "Visitor"]


# Of this module only: until it is closed, playwright runs an event loop in this thread, in which no
# other test could run one of its own.
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
    """A receiver of the test's own ledger."""
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

    def read_card(self, measure: str) -> str:
        return self.page.inner_text(f'[data-measure="{measure}"]')


@pytest.fixture
def visit(browser: Browser, demo_server: DemoServer) -> Iterator[Visit]:
    """Open a page of the demo, or of the server at an address."""
    contexts = []

    def open_page(address: str = demo_server.url, **options: object) -> Visitor:
        contexts.append(browser.new_context(**options))  # type: ignore[arg-type]  # of playwright
        return Visitor(contexts[-1].new_page(), address)

    yield open_page
    for each in contexts:
        each.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", PHONE)])
def test_pages_fit_and_have_no_error_and_no_serious_finding_of_axe(
    visit: Visit, scheme: str, width: int
) -> None:
    visitor = visit(color_scheme=scheme, viewport={"width": width, "height": 640})

    found, too_wide = [], []
    for path in ("/docs", *PAGES):
        visitor.go(path)
        if visitor.page.evaluate("document.documentElement.scrollWidth") > width:
            too_wide.append(path)
        if path not in PAGES:
            continue
        answer = Axe().run(visitor.page, options=RULES[scheme]).response
        found += [
            (path, each["id"], [node["html"] for node in each["nodes"]])
            for each in answer["violations"]
            if each["impact"] in SERIOUS
        ]

    assert found == []
    assert too_wide == []
    assert visitor.problems == []


def test_every_picture_of_the_documents_can_be_drawn_from_the_demo(
    browser: Browser, demo_server: DemoServer
) -> None:
    drawn = {}
    with browser.new_page() as page:
        for name, path in pictures.PAGES.items():
            for reader, content in pictures.take_screenshots(page, demo_server.url + path).items():
                with Image.open(io.BytesIO(content)) as image:
                    drawn[f"{name}-{reader}"] = image.size

    sizes = {name: reader[1:] for name, reader in pictures.READERS.items()}
    assert drawn == {f"{page}-{kind}": sizes[kind] for page in pictures.PAGES for kind in sizes}
    assert drawn.keys() == {path.stem for path in pictures.FOLDER.glob("*.png")}


def test_what_cannot_be_drawn_is_no_picture(browser: Browser, demo_server: DemoServer) -> None:
    with browser.new_page() as page, pytest.raises(pictures.DrawingError, match="does not answer"):
        pictures.take_screenshots(page, f"{demo_server.url}/records/999999")


def test_pages_read_and_filter_without_javascript(visit: Visit) -> None:
    visitor = visit(java_script_enabled=False)

    visitor.go("/")
    visitor.page.fill('input[name="where"]:not([type="hidden"])', "model=mistral-next-preview")
    visitor.page.click("main button")
    shown = visitor.read_card("requests")
    visitor.page.click('dd[data-measure="requests"] a')

    assert visitor.page.locator("tbody tr").count() == int(shown)
    assert visitor.problems == []


def test_pages_are_used_with_the_keyboard_alone(visit: Visit) -> None:
    visitor = visit()
    visitor.go("/")

    visitor.page.keyboard.press("Tab")
    skip = visitor.page.evaluate("document.activeElement.textContent")
    while visitor.page.evaluate("document.activeElement.textContent") != "Records":
        visitor.page.keyboard.press("Tab")
    outlined = visitor.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url("**/records*")

    assert (skip, outlined) == ("Skip to content", "solid")
    assert visitor.page.title() == "Records · SpanToll"


@pytest.mark.parametrize("browser_zone", ["UTC", "Asia/Kolkata"])
def test_days_are_those_of_the_page_and_not_of_the_browser(visit: Visit, browser_zone: str) -> None:
    visitor = visit(timezone_id=browser_zone)

    shown = {}
    for zone in ("America/New_York", "Asia/Kolkata"):
        # in New York the clocks go back on November 1: that day has 25 hours
        visitor.go(f"/explore?measure=requests&window=day&from=2026-11-01&to=2026-11-03&tz={zone}")
        rows = visitor.page.locator("[data-answer] tbody tr").all_inner_texts()
        shown[zone] = [row.split()[:2] for row in rows]

    assert [day for day, _ in shown["America/New_York"]] == ["2026-11-01", "2026-11-02"]
    assert [day for day, _ in shown["Asia/Kolkata"]] == ["2026-11-01", "2026-11-02"]


def test_a_download_holds_what_the_page_adds_up(visit: Visit, tmp_path: Path) -> None:
    visitor = visit(accept_downloads=True)
    visitor.go("/explore?measure=requests&measure=input_tokens&by=customer_id&by=model&last=30d")

    with visitor.page.expect_download() as download:
        visitor.page.click('a[download="usage.csv"]')
    path = tmp_path / "usage.csv"
    download.value.save_as(path)

    rows = list(csv.DictReader(path.read_text().splitlines()))
    for name in ("requests", "input_tokens"):
        total = visitor.page.inner_text(f'[data-total="{name}"]')
        assert f"{sum(int(row[name]) for row in rows):,}" == total


def test_a_chart_is_saved_as_a_picture_in_the_colours_of_the_page(
    visit: Visit, tmp_path: Path
) -> None:
    visitor = visit(accept_downloads=True, color_scheme="dark")
    visitor.go("/?from=2026-10-23&to=2026-11-22")

    with visitor.page.expect_download() as download:
        visitor.page.click('[data-png="calls-by-outcome-and-day"]')
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)

    with Image.open(path) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20) or []}
    assert path.name == "calls-by-outcome-and-day.png"
    # the ground of dark pages, and the bars of calls that succeeded, failed and timed out
    assert {(20, 23, 26), (0, 158, 115), (213, 94, 0), (230, 159, 0)} <= colours
    assert visitor.problems == []


def test_a_printed_page_is_light_and_has_the_period_and_all_tables(visit: Visit) -> None:
    visitor = visit(color_scheme="dark")
    visitor.go("/?from=2026-10-23&to=2026-11-22&where=provider%3Dopenai")

    visitor.page.emulate_media(media="print")

    ground = visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert visitor.page.locator("main form:visible, nav:visible, button:visible").count() == 0
    assert visitor.page.locator("[data-chart] tbody").first.is_visible()
    assert "Filters: provider=openai." in visitor.page.inner_text(".printed")


def test_every_bar_of_the_first_page_adds_up_to_its_card(visit: Visit) -> None:
    visitor = visit()
    visitor.go("/?last=30d&by=&where=provider%3Danthropic&where=error_type%3D")

    titles = visitor.page.eval_on_selector_all(
        '[data-plot="cost-by-day"] title', "titles => titles.map(each => each.textContent)"
    )
    # a day without calls has "-"
    amounts = [Decimal(re.sub(r"[^\d.]", "", title.partition(": ")[2]) or 0) for title in titles]

    # each bar is rounded to what it shows, to a tenth of a cent and finer below a dollar
    card = Decimal(re.sub(r"[^\d.]", "", visitor.read_card("cost_usd")))
    assert abs(sum(amounts) - card) < Decimal("0.02")


def test_a_page_refreshes_itself_where_its_address_says_so(visit: Visit) -> None:
    visitor = visit()
    visitor.page.clock.install()
    visitor.go("/")
    visitor.page.click("text=Refresh by itself")
    visitor.page.wait_for_url("**live=1**")

    visitor.page.evaluate("document.querySelector('h1').textContent = 'old'")
    visitor.page.clock.fast_forward(16_000)
    visitor.page.wait_for_selector("h1:text-is('Overview')")

    assert "live=1" in visitor.page.url
    assert visitor.page.inner_text("#live").startswith("Refreshed at")
    assert visitor.problems == []


def test_the_keyboard_reads_the_bars_of_a_chart_and_zooms_in(visit: Visit) -> None:
    visitor = visit()
    visitor.go("/?from=2026-11-08&to=2026-11-15&by=")
    keyboard, chart = visitor.page.keyboard, visitor.page.locator('[data-plot="cost-by-day"]')
    tip = chart.locator(".tip")

    chart.focus()
    keyboard.press("ArrowRight")
    read = tip.inner_text()
    for _ in range(2):
        keyboard.press("Shift+ArrowRight")
    marked = visitor.page.locator("rect.on").count()
    keyboard.press("Enter")
    visitor.page.wait_for_url("**from=2026-11-09T00**")

    assert read.startswith("2026-11-09: $")
    assert marked == 3
    assert visitor.page.input_value('input[name="to"]').startswith("2026-11-12T00")
    assert chart.locator("svg.chart rect.bar").count() == 3
    assert visitor.problems == []


def test_the_keyboard_reads_the_lines_of_a_chart(visit: Visit) -> None:
    visitor = visit()
    visitor.go("/?from=2026-11-08&to=2026-11-15&by=team")
    visitor.page.get_by_role("link", name="Lines", exact=True).click()
    visitor.page.wait_for_url("**draw=lines**")
    chart = visitor.page.locator('[data-plot="cost-by-day-and-team"]')

    chart.focus()
    visitor.page.keyboard.press("ArrowRight")
    read = chart.locator(".tip").inner_text()
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url("**/records?**from=2026-11-09T00**")

    assert read.startswith("2026-11-09: ")
    assert {"search", "support"} <= set(re.findall(r"(\w+) ~?\$", read))
    assert "team" not in visitor.page.url
    assert visitor.problems == []


def test_the_pointer_shows_the_groups_of_a_window_and_drags_a_range(visit: Visit) -> None:
    visitor = visit()
    visitor.go(
        "/explore?measure=requests&by=team&window=day&from=2026-11-09&to=2026-11-13&against=previous"
    )
    box = visitor.page.locator("svg.chart").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2

    # four days: the middle of the second, and of the third
    visitor.page.mouse.move(box["x"] + box["width"] * 3 / 8, y)
    lines = visitor.page.inner_text(".tip").splitlines()
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + box["width"] * 5 / 8, y)
    visitor.page.mouse.up()
    visitor.page.wait_for_url("**from=2026-11-10T00**")

    assert sorted(line.partition(":")[0] for line in lines) == [
        f"2026-11-10, {team}" for team in ("research", "search", "summaries", "support")
    ]
    assert "against=previous" in visitor.page.url
    assert visitor.page.input_value('input[name="to"]').startswith("2026-11-12T00")
    assert visitor.problems == []


def test_a_saved_view_and_the_colours_are_kept_in_the_browser(visit: Visit) -> None:
    visitor = visit(color_scheme="light")
    visitor.go("/explore?measure=requests&by=team")
    visitor.page.click("text=Saved views")
    visitor.page.fill('#views input[name="name"]', "<b>Teams</b>")
    visitor.page.click("text=Save this view")
    visitor.page.click("button[value=dark]")
    visitor.go("/models")

    ground = visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
    visitor.page.click("text=Saved views")
    visitor.page.click("text=<b>Teams</b>")
    visitor.page.wait_for_url("**/explore?measure=requests&by=team")
    visitor.page.click("text=Saved views")
    visitor.page.click('[aria-label="Remove the view <b>Teams</b>"]')

    assert ground == "rgb(20, 23, 26)"
    assert visitor.page.locator("#views li").count() == 0
    assert visitor.problems == []


def test_a_model_without_a_price_is_priced_in_four_clicks(
    visit: Visit, server: Running, filled: None
) -> None:
    visitor = visit(f"http://127.0.0.1:{server.http_port}", java_script_enabled=False)
    visitor.go("/health")

    visitor.page.click("text=Give new-model a price")
    visitor.page.fill('input[name="input"]', "2")
    visitor.page.click("text=See what changes")
    visitor.page.click("text=Set this price and apply it")

    assert "The price is set" in visitor.page.inner_text('[role="status"]')
    assert visitor.problems == []


def test_an_empty_page_shows_the_first_call_that_comes(visit: Visit, server: Running) -> None:
    visitor = visit(f"http://127.0.0.1:{server.http_port}")
    visitor.go("/")
    waiting = visitor.page.title()

    server.http_protobuf(request(chat(1)).SerializeToString())
    visitor.page.wait_for_selector('dd[data-measure="requests"]', timeout=60_000)

    assert waiting == "Waiting for the first call · SpanToll"
    assert visitor.problems == []
