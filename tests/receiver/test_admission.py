from __future__ import annotations

import contextlib

import pytest

from spantoll.receiver.admission import Admission
from spantoll.receiver.answer import Overloaded
from spantoll.receiver.backlog import FLOOR_BYTES, Backlog
from spantoll.receiver.limits import Limits


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def admission(*, stalled_s: float = 0.0) -> Admission:
    limits = Limits(budget_bytes=100, inline_bytes=30)
    return Admission(limits, Backlog(stalled_s=lambda: stalled_s))


def test_requests_share_a_budget_of_bytes() -> None:
    gate = admission()

    with gate.admit() as first, gate.admit() as second, gate.admit() as third, gate.admit() as last:
        first.grow(30)
        second.grow(30)
        third.grow(30)
        with pytest.raises(Overloaded, match="bytes under way"):
            last.grow(11)

    assert gate.taken_bytes == 0


def test_announced_bytes_are_checked_and_not_reserved() -> None:
    gate = admission()

    with gate.admit(announced_bytes=90), gate.admit() as other:
        other.grow(30)
        with pytest.raises(Overloaded, match="bytes under way"):
            gate.admit(announced_bytes=71)

    assert gate.taken_bytes == 0


def test_large_requests_leave_room_for_small_ones() -> None:
    gate = admission()

    with gate.admit() as large, gate.admit() as small, gate.admit() as second:
        large.grow(44)
        with pytest.raises(Overloaded, match="large requests"):
            second.grow(32)
        small.grow(30)

    assert gate.taken_bytes == 0


def test_a_request_that_grows_beyond_the_budget_gives_everything_back() -> None:
    gate = admission()

    with gate.admit() as other:
        other.grow(90)
        with gate.admit() as ticket:
            ticket.grow(10)
            with pytest.raises(Overloaded):
                ticket.grow(10)
        assert gate.taken_bytes == 90


def test_one_request_larger_than_the_budget_is_let_in_alone() -> None:
    gate = admission()

    with gate.admit() as large:
        large.grow(500)
        with pytest.raises(Overloaded):
            gate.admit(announced_bytes=1)


def test_a_stalled_database_refuses_requests() -> None:
    gate = admission(stalled_s=2.5)

    with pytest.raises(Overloaded, match="does not keep up"):
        gate.admit()


def test_a_draining_receiver_takes_nothing_new() -> None:
    gate = admission()
    gate.draining = True

    with pytest.raises(Overloaded, match="shutting down"):
        gate.admit()


@pytest.mark.parametrize(
    ("stalled_s", "between"),
    [(0.0, (0.8, 1.2)), (3.0, (4.8, 7.2)), (600.0, (12.0, 18.0))],
    ids=["no-backlog", "backlog", "long-backlog"],
)
def test_the_delay_grows_with_the_backlog_within_what_senders_wait(
    stalled_s: float, between: tuple[float, float]
) -> None:
    delays = {admission(stalled_s=stalled_s).retry_after_s() for _ in range(50)}

    assert between[0] <= min(delays)
    assert max(delays) <= between[1]
    assert len(delays) > 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backlog(clock: Clock) -> Backlog:
    """A backlog that has seen 10 MiB finished in one second."""
    backlog = Backlog(stalled_s=lambda: 0.0, clock_s=clock)
    with backlog.work(10 << 20):
        clock.now_s += 1.0
    return backlog


def test_the_expected_wait_is_bytes_in_progress_by_rate(backlog: Backlog) -> None:
    with backlog.work(15 << 20), backlog.work(5 << 20):
        expected_s = backlog.expected_wait_s()

    assert expected_s == pytest.approx(2.0)
    assert backlog.expected_wait_s() == 0.0


def test_idle_time_does_not_lower_the_rate(backlog: Backlog, clock: Clock) -> None:
    clock.now_s += 1_000.0
    with backlog.work(10 << 20):
        clock.now_s += 1.0

    with backlog.work(20 << 20):
        assert backlog.expected_wait_s() == pytest.approx(2.0)


def test_work_that_was_given_up_counts_as_not_finished(backlog: Backlog, clock: Clock) -> None:
    with contextlib.suppress(TimeoutError), backlog.work(10 << 20):
        clock.now_s += 1.0
        raise TimeoutError

    with backlog.work(20 << 20):
        assert backlog.expected_wait_s() == pytest.approx(2.0)


def test_the_rate_of_single_requests_refuses_no_burst(clock: Clock) -> None:
    backlog = Backlog(stalled_s=lambda: 0.0, clock_s=clock)
    with backlog.work(1_000):
        clock.now_s += 1.0

    with backlog.work(10 << 20):
        assert backlog.expected_wait_s() == 0.0


def test_the_rate_of_single_requests_replaces_no_rate_of_groups(
    backlog: Backlog, clock: Clock
) -> None:
    for _ in range(10):
        with backlog.work(1_000):
            clock.now_s += 1.0

    with backlog.work(20 << 20):
        assert backlog.expected_wait_s() == pytest.approx(2.0)


def test_a_little_work_is_never_refused(backlog: Backlog, clock: Clock) -> None:
    for _ in range(20):
        with backlog.work(FLOOR_BYTES + 1):
            clock.now_s += 10.0

    with backlog.work(FLOOR_BYTES):
        assert backlog.expected_wait_s() == 0.0
    with backlog.work(FLOOR_BYTES + 1):
        assert backlog.expected_wait_s() > 1.0


def test_a_backlog_longer_than_the_limit_refuses_requests(backlog: Backlog) -> None:
    gate = Admission(Limits(admit_s=0.5, wait_s=1.0), backlog)

    with backlog.work(5 << 20):
        gate.admit()
    with backlog.work(6 << 20), pytest.raises(Overloaded, match=r"requests wait 0\.6 s"):
        gate.admit()


def test_a_body_that_was_read_is_refused_later_than_one_that_was_not(backlog: Backlog) -> None:
    gate = Admission(Limits(admit_s=0.5, wait_s=1.0), backlog)

    with backlog.work(10 << 20):
        gate.check_wait()
    with backlog.work(11 << 20), pytest.raises(Overloaded, match=r"requests wait 1\.1 s"):
        gate.check_wait()
