"""The share of its time that a writer spends in writes."""

from __future__ import annotations

import pytest

from spantoll.pipeline.busy import BusyShare


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        ([], 0.0),
        ([(10.0, 10.9)], 0.0),
        ([(10.0, 10.25), (10.75, 11.0)], 0.5),
        ([(10.0, 11.0)], 1.0),
        ([(10.0, 11.0), (11.0, 11.5)], 1.0),
        ([(10.0, 11.0), (11.75, 12.0)], 0.25),
        ([(29.0, 30.0)], 0.05),
    ],
    ids=[
        "no write",
        "a window that has not ended",
        "half",
        "always",
        "the last window that has ended",
        "a window begins where the last one ended",
        "a window ends with a write",
    ],
)
def test_the_share_is_that_of_the_last_window(
    writes: list[tuple[float, float]], expected: float
) -> None:
    busy = BusyShare(since_s=10.0)

    for began_s, ended_s in writes:
        busy.add_write(began_s, ended_s)

    assert busy.share == expected
