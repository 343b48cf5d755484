"""The export passes the validator of the FinOps Open Cost and Usage Specification."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spantoll.records import UsageRecord
from tests.support.packages import find_interpreter, install_packages
from tests.surfaces.conftest import Cli

Record = Callable[..., UsageRecord]
PYTHON = "3.12"
"""The only one: the validator takes 3.12 or newer, and numpy 1 has wheels up to it."""
REQUIREMENTS = (
    *("focus-validator==2.2.1", "numpy==1.26.4", "pandas==2.3.3", "pyarrow==21.0.0"),
    *("duckdb==1.5.6", "polars==1.44.2", "sqlglot==27.29.0", "pandera==0.26.1"),
)
"""Of the FinOps Foundation (https://github.com/finopsfoundation/focus-spec-validator), with what it
does not pin: pyarrow 22 and newer need numpy 2, which the validator refuses."""
PROGRAM = "from focus_validator.main import main; main()"
VERSION = "1.2.0.1"
CRITERIA = "ACCOUNT_NAMING_SUPPORTED,SUB_ACCOUNT_SUPPORTED,REGION_SUPPORTED,TAGGING_SUPPORTED"
ALTERNATIVE = "InvoiceId-C-005-C"
"""`InvoiceId-C-003-C` wants one of two: no invoice (`-004-C`), or its number (`-005-C`)."""


@pytest.fixture
def validate(missing: Callable[[str, str], None], tmp_path: Path) -> Callable[[Path], Path]:
    """Validate a file; return the report."""
    interpreter = find_interpreter(PYTHON)
    if interpreter is None:
        missing(f"Python {PYTHON}", f"pyenv install {PYTHON}")
    assert interpreter is not None
    folder = install_packages(REQUIREMENTS, missing, interpreter=interpreter)
    report = tmp_path / "report.xml"

    def run(file: Path) -> Path:
        options = {
            "--data-file": str(file),
            "--validate-version": VERSION,
            "--applicability-criteria": CRITERIA,
            "--output-type": "unittest",
            "--output-destination": str(report),
        }
        done = subprocess.run(
            [interpreter, "-c", PROGRAM, "--block-download", *sum(options.items(), ())],
            cwd=folder,  # it opens the list of currencies by a path from here
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return report

    return run


def list_cases(report: Path) -> dict[str, str]:
    """Return how each rule ended: passed, skipped, failure or error."""
    return {
        case.attrib["name"].split()[0]: next((child.tag for child in case), "passed")
        for case in ElementTree.parse(report).iter("testcase")
    }


def test_the_official_validator_finds_nothing(
    spantoll: Cli,
    stored: Callable[[Sequence[UsageRecord]], None],
    record: Record,
    validate: Callable[[Path], Path],
    tmp_path: Path,
) -> None:
    owners = {"project": "search", "customer_id": "acme", "team": "x", "environment": "prod"}
    stored(
        [
            record(provider="openai", region="eu", input_tokens=5, **owners),
            record(provider="anthropic", tenant_id="north", service_name="bot"),
            record(provider=None, model=None),
            record(pricing_status="unpriced"),
        ]
    )
    file = tmp_path / "focus.csv"
    spantoll("export", str(file), "--focus")

    cases = list_cases(validate(file))

    assert [name for name, end in cases.items() if end not in ("passed", "skipped")] == [
        ALTERNATIVE
    ]
    assert cases["InvoiceId-C-003-C"] == cases["InvoiceId-C-004-C"] == "passed"
    assert sum(end == "passed" for end in cases.values()) > 100
