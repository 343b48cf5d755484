from __future__ import annotations

import pytest

from spantoll.receiver.admission import Admission
from spantoll.receiver.answer import Overloaded


def admission(*, stalled_s: float = 0.0) -> Admission:
    return Admission(budget_bytes=100, backlog_s=2.0, stalled_s=lambda: stalled_s)


def test_requests_share_a_budget_of_bytes() -> None:
    door = admission()

    with door.admit(60), door.admit(40), pytest.raises(Overloaded, match="bytes under way"):
        door.admit(1)

    assert door.taken_bytes == 0


def test_a_request_that_grows_beyond_the_budget_is_refused_and_gives_everything_back() -> None:
    door = admission()

    with door.admit(50), pytest.raises(Overloaded), door.admit(10) as ticket:
        ticket.grow(50)

    assert door.taken_bytes == 0


def test_one_request_larger_than_the_budget_is_let_in_alone() -> None:
    door = admission()

    with door.admit(500), pytest.raises(Overloaded):
        door.admit(1)


def test_a_backlog_closes_the_door() -> None:
    door = admission(stalled_s=2.5)

    with pytest.raises(Overloaded, match="does not keep up"):
        door.admit(1)


def test_a_draining_receiver_takes_nothing_new() -> None:
    door = admission()
    door.draining = True

    with pytest.raises(Overloaded, match="shutting down"):
        door.admit(1)


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
