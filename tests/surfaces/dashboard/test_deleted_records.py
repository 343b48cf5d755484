"""Pages over a time whose records are deleted: their roll-ups answer, and the page says so."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from spantoll.pipeline.retain import retain_records
from spantoll.storage import SqlStore, Store
from tests.surfaces.dashboard.conftest import DAY_NS, NOW_NS


@pytest.mark.parametrize("path", ["/", "/explore", "/records?from=2026-11-19&to=2026-11-20"])
def test_a_page_says_which_records_are_deleted(
    client: TestClient, store: Store, filled: None, path: str
) -> None:
    assert isinstance(store, SqlStore)
    before = client.get(path).text
    deletion = retain_records(
        store, NOW_NS - DAY_NS, by="ann", now_ns=NOW_NS, settle_pending=lambda: 0
    )

    after = client.get(path).text

    assert deletion.deleted == 1
    assert "are deleted" not in before
    assert "Records before 2026-11-20 00:00 (UTC) are deleted" in after
