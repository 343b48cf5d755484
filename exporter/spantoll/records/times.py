"""Which times a record may have, so that one clock that is wrong does not spoil every report."""

from __future__ import annotations

from typing import Final

from spantoll.otlp.rules import TIME_OUT_OF_RANGE, list_distinct
from spantoll.semconv import ModelCall

__all__ = ["EARLIEST_NS", "with_plausible_times"]

EARLIEST_NS: Final = 1_420_070_400 * 10**9
"""2015-01-01: five years before the first model could be called over an API."""
AHEAD_NS: Final = 86_400 * 10**9
"""A day: what a wrong time zone explains. A call does not end after its span was received."""


def with_plausible_times(
    call: ModelCall, flaws: tuple[str, ...], *, received_ns: int
) -> tuple[ModelCall, tuple[str, ...]]:
    """Return the call, at the time it was received if its own cannot be true, and its flaws.

    The flaw `time_out_of_range` says so. A receive time before EARLIEST_NS is ignored: no better.
    """
    latest_ns = received_ns + AHEAD_NS
    if received_ns < EARLIEST_NS or (
        EARLIEST_NS <= call.start_ns <= latest_ns and call.end_ns <= latest_ns
    ):
        return call, flaws
    start_ns = call.start_ns if EARLIEST_NS <= call.start_ns <= latest_ns else received_ns
    return (
        call._replace(start_ns=start_ns, end_ns=max(start_ns, min(call.end_ns, received_ns))),
        list_distinct(flaws, (TIME_OUT_OF_RANGE,)),
    )
