from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from spantoll.query.windows import LAST_NS, list_windows


@pytest.mark.parametrize("kind", ["month", "quarter", "year"])
def test_the_last_window_ends_where_a_column_of_nanoseconds_does(kind: str) -> None:
    windows = list_windows(kind, start_ns=LAST_NS - 1, end_ns=LAST_NS, tz=ZoneInfo("Europe/Berlin"))

    assert windows[-1].end_ns == LAST_NS
