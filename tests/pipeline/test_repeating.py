"""A step is called again and again; what it raises ends nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event

import pytest

from spantoll.errors import StoreUnavailable
from spantoll.pipeline.repeating import repeat

PATIENCE_S = 60


def fail(*errors: Exception) -> tuple[Callable[[object], None], Event]:
    """Make a step that raises one error after the other, then none; and what says that it has."""
    left, done = list(errors), Event()

    def step(is_stopped: object) -> None:
        if left:
            raise left.pop(0)
        done.set()

    return step, done


@pytest.mark.parametrize(
    ("errors", "quiet", "levels"),
    [
        ([StoreUnavailable("locked")] * 2, 2, ["INFO", "INFO"]),
        ([StoreUnavailable("locked")] * 3, 2, ["INFO", "INFO", "WARNING"]),
        ([StoreUnavailable("locked")], 0, ["WARNING"]),
        ([ZeroDivisionError()], 2, ["ERROR"]),
    ],
    ids=["usual", "too often", "never usual", "an error of ours"],
)
def test_a_step_that_fails_is_called_again(
    errors: list[Exception], quiet: int, levels: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    step, done = fail(*errors)

    with (
        caplog.at_level(logging.INFO, logger="spantoll.pipeline.repeating"),
        repeat(step, what="it is tried", every_s=0.001, quiet_failures=quiet),
    ):
        assert done.wait(PATIENCE_S)

    assert [each.levelname for each in caplog.records] == levels
    assert all("it is tried" in each.getMessage() for each in caplog.records)


def test_a_step_under_way_is_told_that_the_block_has_ended() -> None:
    began, ended = Event(), Event()

    def step(is_stopped: Callable[[], bool]) -> None:
        began.set()
        while not is_stopped():
            ended.wait(0.001)
        ended.set()

    with repeat(step, what="it is done", every_s=60):
        assert began.wait(PATIENCE_S)

    assert ended.is_set()
