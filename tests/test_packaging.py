from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LEDGER = {"sqlalchemy", "alembic", "pydantic", "pydantic-settings", "uvicorn", "typer"}


def names(requirements: list[str]) -> set[str]:
    return {r.split(";")[0].strip().split(">")[0].split("=")[0].split("[")[0] for r in requirements}


def test_base_install_brings_no_ledger() -> None:
    base = [r for r in requires("spantoll") or [] if "extra ==" not in r]

    assert names(base) & LEDGER == set()
    assert "opentelemetry-exporter-otlp" in names(base)


def test_exporter_extra_brings_the_ledger() -> None:
    extra = [r for r in requires("spantoll") or [] if "extra == 'exporter'" in r]

    assert names(extra) >= LEDGER


@pytest.mark.parametrize(
    "heavy", ["grpc", "pydantic", "sqlalchemy", "fastapi", "uvicorn", "openai"]
)
def test_importing_the_instrumentation_loads_nothing_heavy(heavy: str) -> None:
    probe = f"import sys, spantoll.instrumentation; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_namespace_has_no_init_file() -> None:
    roots = [ROOT / part / "spantoll" for part in ("semconv", "instrumentation", "exporter")]

    assert [p for p in roots if (p / "__init__.py").exists()] == []


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("console_scripts", "spantoll"),
        ("opentelemetry_traces_exporter", "spantoll"),
        ("opentelemetry_instrumentor", "spantoll"),
    ],
)
def test_entry_points_load(group: str, name: str) -> None:
    (entry,) = entry_points(group=group, name=name)

    assert callable(entry.load())
