"""The demo and what the README shows: they run as printed, in a folder of their own."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request
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


def test_demo_ends_with_the_command_that_shows_its_calls(demo: tuple[Path, str]) -> None:
    _, printed = demo

    assert printed.rstrip().splitlines()[-1] == (
        "  spantoll up --database sqlite:///.demo/usage.db"
    )


def test_demo_on_a_terminal_ends_with_the_address_of_a_dashboard(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    code = "import demo; demo.show_dashboard('sqlite:///.demo/usage.db')"
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "examples")},
        stdout=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        with os.fdopen(ours, closefd=True) as terminal:
            line = next(line for line in terminal if "http" in line)
            address = line.split()[-1]
            with urllib.request.urlopen(address, timeout=60) as answer:
                page = answer.read().decode()
            os.killpg(process.pid, signal.SIGINT)
            status = process.wait(timeout=60)

    assert status == 0
    assert "umbrella" in page
    assert re.search(r'<dd data-measure="requests"><a [^>]*>36</a>', page)


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


def test_pictures_that_documents_show_are_there_and_small() -> None:
    shown = {
        path.parent / link
        for path in (ROOT / "README.md", ROOT / "docs" / "dashboard.md")
        for link in re.findall(r"!\[[^\]]*\]\(([^)]*\.png)\)", path.read_text())
    }

    assert shown == {ROOT / "docs/pictures" / path.name for path in ROOT.glob("docs/pictures/*")}
    assert all(path.stat().st_size < 150_000 for path in shown)
