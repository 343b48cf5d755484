from __future__ import annotations

from collections.abc import Iterator

import pytest

from spantoll.pipeline import make_settle
from spantoll.pricing import load_rate_card
from spantoll.storage import Settle, Store, open_store


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    opened = open_store("memory:")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def settle() -> Settle:
    return make_settle(load_rate_card())
