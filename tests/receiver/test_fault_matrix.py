"""`docs/faults.md` names the test of every row, and each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MATRIX = (ROOT / "docs" / "faults.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", MATRIX)))


def test_every_row_of_the_matrix_is_there_once_with_a_test() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\| (.*) \|$", MATRIX, re.MULTILINE)

    assert [int(number) for number, _ in rows] == list(range(1, 75))
    assert [number for number, tests in rows if "::test_" not in tests] == []


def test_every_test_that_the_matrix_names_exists() -> None:
    missing = [
        f"{file}::{test}"
        for file, test in NAMED
        if not (ROOT / file).is_file()
        or not re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE)
    ]

    assert missing == []
