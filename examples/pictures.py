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
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

SPANTOLL = str(Path(sys.executable).with_name("spantoll"))
FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
COLOURS = 128
MOST_BYTES = 150_000
WIDE, TALL, NARROW = (1200, 900), (1200, 1300), (360, 740)


class Picture(NamedTuple):
    """A page as one kind of reader sees it."""

    name: str
    path: str
    scheme: str
    size: tuple[int, int]


PICTURES = (
    Picture("overview-light", "/?from=today-13d&against=previous", "light", TALL),
    Picture("overview-dark", "/", "dark", WIDE),
    Picture("overview-narrow", "/", "light", NARROW),
    Picture(
        "explore-light", "/explore?measure=cost_usd&by=model&window=day&last=30d", "light", WIDE
    ),
    Picture("customers-light", "/customers", "light", WIDE),
    Picture("record-light", "/records/1", "light", WIDE),
    Picture("health-light", "/health", "light", WIDE),
)


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


def draw(browser: Browser, address: str, picture: Picture) -> bytes:
    """Return the PNG of a page."""
    width, height = picture.size
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if picture.scheme == "dark" else "light",
    )
    page.goto(address + picture.path)
    image = Image.open(io.BytesIO(page.screenshot()))
    page.close()
    file = io.BytesIO()
    image.convert("RGB").quantize(COLOURS).save(file, "PNG", optimize=True)
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
        for picture in PICTURES:
            content = draw(browser, address, picture)
            if len(content) > MOST_BYTES:
                sys.exit(f"{picture.name} has {len(content):,} bytes, more than {MOST_BYTES:,}")
            (folder / f"{picture.name}.png").write_bytes(content)
            print(f"{picture.name}.png  {len(content):,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
