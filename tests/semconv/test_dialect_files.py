"""A dialect is one file: each can be removed, and one can be added, without touching another."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spantoll.semconv.registry import all_dialects

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "semconv" / "spantoll" / "semconv"
DIALECTS = sorted(dialect.name for dialect in all_dialects())

READ_A_SPAN = """
import json
from spantoll.semconv import could_be_genai
from tests.semconv.spans import read_call
attributes = {
    "acme.kind": "call", "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-opus-4-7", "gen_ai.usage.input_tokens": 20,
    "acme.cached_tokens": 60, "acme.user": "ann",
}
call = read_call("", attributes)
print(json.dumps([
    call.dialect, call.role, call.usage.input_tokens, call.attribution.user_id,
    could_be_genai(b"acme.kind"),
]))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources of `spantoll.semconv`."""
    copy = tmp_path / "spantoll" / "semconv"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the copy in front of the sources."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_can_be_removed(tree: Path, dialect: str) -> None:
    (tree / "spantoll" / "semconv" / "dialects" / f"{dialect}.py").unlink()

    checked = run(tree, "-m", "tests.semconv.check_readings", dialect)

    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_dialect_that_changes_its_numbers_is_noticed(tree: Path) -> None:
    file = tree / "spantoll" / "semconv" / "dialects" / "claude_code.py"
    file.write_text(file.read_text().replace('"cache_read_tokens"', '"cached"'))

    checked = run(tree, "-m", "tests.semconv.check_readings")

    assert checked.returncode == 1
    assert "claude_code" in checked.stderr


def documented_dialect() -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_documented_dialect_reads_a_span(tree: Path) -> None:
    source = documented_dialect()
    (tree / "spantoll" / "semconv" / "dialects" / "acme.py").write_text(source)

    answer = run(tree, "-c", READ_A_SPAN)

    assert answer.stderr == ""
    assert json.loads(answer.stdout) == ["acme", "inference", 80, "ann", True]
    assert len(source.splitlines()) <= 30


def test_a_misspelt_field_fails_when_the_dialect_is_imported(tree: Path) -> None:
    source = documented_dialect().replace('"cache_read"', '"cached_read"')
    (tree / "spantoll" / "semconv" / "dialects" / "acme.py").write_text(source)

    answer = run(tree, "-c", "import spantoll.semconv.dialects.acme")

    assert "dialect acme: no field is named 'cached_read'; did you mean 'cache_read'?" in (
        answer.stderr
    )
