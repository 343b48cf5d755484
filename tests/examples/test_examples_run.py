"""The demo and what the README shows: they run as printed, in a folder of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SPANTOLL = str(Path(sys.executable).with_name("spantoll"))
CONFIGURATIONS = sorted((ROOT / "examples").glob("*/*.yaml"))


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the demo once; return its folder and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run(sys.executable, str(ROOT / "examples" / "demo.py"), cwd=folder)


def test_demo_prices_every_call_it_can_and_reports_which_it_cannot(demo: tuple[Path, str]) -> None:
    _, printed = demo

    assert re.search(r"^total +36 .* \$0\.01\d+\+$", printed, re.MULTILINE)
    assert re.search(r"^acme-llm-1 +2 .* -$", printed, re.MULTILINE)
    assert "unknown_model" in printed


def test_demo_attributes_calls_to_customers(demo: tuple[Path, str]) -> None:
    _, printed = demo

    customers = re.findall(r"^(acme|globex|initech|umbrella) ", printed, re.MULTILINE)
    assert set(customers) == {"acme", "globex", "initech", "umbrella"}


def test_demo_leaves_a_ledger_the_readme_queries(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    snippet = readme_snippets()[1].replace("usage.db", ".demo/usage.db")

    printed = run(sys.executable, "-c", snippet, cwd=folder)

    assert printed.count("acme") == 1


def test_readme_instrumentation_snippet_runs(tmp_path: Path) -> None:
    run(sys.executable, "-c", readme_snippets()[0], cwd=tmp_path)


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"^    spantoll (usage|records|health|doctor)", README, re.M)))
)
def test_readme_commands_run(command: str, demo: tuple[Path, str]) -> None:
    folder, _ = demo
    line = next(each for each in README.splitlines() if each.startswith(f"    spantoll {command}"))
    arguments = line.split("#")[0].split()[1:]

    done = subprocess.run(
        [SPANTOLL, *arguments, "--database", "sqlite:///.demo/usage.db"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    # doctor exits with 1: no receiver listens, and one model has no price
    assert done.returncode == (1 if command == "doctor" else 0), done.stderr
    assert done.stdout


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
def test_configurations_are_yaml_with_a_pipeline(path: Path) -> None:
    found = yaml.safe_load(path.read_text())

    assert found["service"]["pipelines"]


def readme_snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)
