from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

import pytest


@pytest.fixture(scope="session")
def missing() -> Callable[[str, str], NoReturn]:
    """Say that a real part is not on this machine: a skip at a desk, a failure in CI."""

    def say(what: str, command: str) -> NoReturn:
        message = f"{what} is missing. To get it: {command}"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)

    return say
