"""Draw the pictures of the dashboard that the README and docs/ show, from the calls of the demo.

Runs `spantoll up --demo`, opens its pages in Chromium and writes PNG files of at most 150 kB, with
as few colours as a page has.

    make pictures
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image
from playwright.sync_api import Page, sync_playwright

SPANTOLL = str(Path(sys.executable).with_name("spantoll"))
FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
COLOURS = 128
MOST_BYTES = 150_000


class Reader(NamedTuple):
    """Whom a page is drawn for."""

    scheme: Literal["light", "dark"]
    width: int
    height: int


READERS = {
    "light": Reader("light", 1200, 1300),
    "dark": Reader("dark", 1200, 1300),
    "narrow": Reader("light", 360, 1300),
}
"""The last part of the name of a file; the narrow one has a phone."""
PAGES = {
    "overview": "/?from=today-13d&against=previous",
    "explore": "/explore?measure=cost_usd&by=model&window=day&last=30d",
    "records": "/records",
    "record": "/records/1",
    "models": "/models?provider=mistral_ai",
    "customers": "/customers",
    "health": "/health",
    "settings": "/settings",
}
"""The first part of the name of a file, and the address on the demo."""


class DrawingError(Exception):
    """Raised when a page is not what a picture should show."""


@contextmanager
def demo() -> Iterator[str]:
    """Run the demo; yield its address when all calls are stored."""
    command = [SPANTOLL, "up", "--demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1]
        try:
            next(line for line in process.stdout if line.startswith("Demo"))
            yield address.rstrip("/")
        finally:
            process.terminate()


def take_screenshots(page: Page, address: str) -> dict[str, bytes]:
    """Return the PNG of an address for each reader.

    Raises DrawingError where it does not answer, or is wider than the reader's screen.
    """
    response = page.goto(address)
    if response is None or not response.ok:
        raise DrawingError(f"{address} does not answer")
    taken = {}
    for name, reader in READERS.items():
        page.set_viewport_size({"width": reader.width, "height": reader.height})
        page.emulate_media(color_scheme=reader.scheme)
        found = page.evaluate("document.documentElement.scrollWidth")
        if found > reader.width:
            raise DrawingError(f"{address} is {found} pixels wide, more than {reader.width}")
        taken[name] = page.screenshot()
    return taken


def compress(screenshot: bytes) -> bytes:
    """Return a PNG with fewer colours. Raises DrawingError where it is too large nevertheless."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(screenshot)) as image:
        image.convert("RGB").quantize(COLOURS).save(file, "PNG", optimize=True)
    if file.tell() > MOST_BYTES:
        raise DrawingError(f"a picture has {file.tell():,} bytes, more than {MOST_BYTES:,}")
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder: Path = parser.parse_args().folder
    program = shutil.which("chromium")
    if program is None:
        sys.exit("chromium is missing. To get it: make browser")
    folder.mkdir(parents=True, exist_ok=True)
    with demo() as address, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        with browser.new_page() as page:
            for name, path in PAGES.items():
                for reader, screenshot in take_screenshots(page, address + path).items():
                    content = compress(screenshot)
                    (folder / f"{name}-{reader}.png").write_bytes(content)
                    print(f"{name}-{reader}.png  {len(content):,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
