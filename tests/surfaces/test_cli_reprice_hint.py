"""New prices offer the command that prices stored calls again, and the command can be pasted."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence

import pytest

from spantoll.records import UsageRecord
from tests.surfaces.conftest import Cli

Record = Callable[..., UsageRecord]
Stored = Callable[[Sequence[UsageRecord]], None]

SET = ("prices", "set", "openai", "house-model", "input=1/1M", "output=2/1M")


def test_a_price_offers_to_price_what_it_unlocks_and_the_command_does(
    spantoll: Cli, stored: Stored, record: Record
) -> None:
    house = {"model": "house-model", "request_model": "house-model", "input_tokens": 1_000_000}
    stored(
        [
            record(**house, output_tokens=0, pricing_status="unpriced"),
            record(request_model="gpt-4o", input_tokens=5, output_tokens=0),
        ]
    )

    offer = spantoll(*SET).err
    (command,) = re.findall(r"`spantoll (reprice.*)`", offer)
    spantoll(*shlex.split(command), "--yes")

    assert "1 stored calls, 1 of them without a price" in offer
    (run,) = json.loads(spantoll("reprice", "list", "-f", "json").out)
    assert (run["changed"], run["new_cost_usd"]) == (1, "1.000000000")


@pytest.mark.parametrize("dates", [(), ("--from", "2026-12-01")])
def test_a_price_for_no_stored_call_offers_nothing(
    spantoll: Cli, stored: Stored, record: Record, dates: tuple[str, ...]
) -> None:
    stored([record(model="other" if not dates else "house-model")])

    ran = spantoll(*SET, *dates)

    assert ran.status == 0
    assert "reprice" not in ran.err
