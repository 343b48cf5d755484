from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from spantoll.storage import open_store
from tests.support.memory import use_memory

# The machine may be busy with other tests: no result depends on how long an example takes.
settings.register_profile("busy-machine", settings(), deadline=None)
settings.load_profile("busy-machine")
# For properties that were tested in full on another Python: `pytest --hypothesis-profile=few`.
settings.register_profile("few", settings(), max_examples=20)


def pytest_configure() -> None:
    use_memory()


def pytest_collection_finish() -> None:
    """Let no later garbage collection walk over what the test modules have imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def missing() -> Callable[[str, str], NoReturn]:
    """Report that a real part is not on this machine: skip at a desk, fail in CI."""

    def report(what: str, command: str) -> NoReturn:
        message = f"{what} is missing. To get it: {command}"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)

    return report


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger to copy: making its tables for each test would take longer than many tests."""
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    open_store(f"sqlite:///{path}").close()
    return path
