"""Changes by the command line are in the audit, with the user of the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spantoll.surfaces.cli.ledger import user_name
from tests.surfaces.conftest import Cli

CHANGES = {
    "prices": ["prices", "set", "openai", "gpt-4o", "input=1/1M"],
    "prices of a file": ["prices", "import", "prices.csv"],
    "exchange rates": ["prices", "exchange", "EUR", "1.08"],
    "aliases": ["aliases", "set", "openai", "my-model", "gpt-4o"],
    "price sets": ["prices", "sync"],
    "customers": ["customers", "set", "acme", "--markup-percent", "30"],
    "owners": ["owners", "set", "team", "search", "service_name^=search-"],
}


@pytest.mark.parametrize("arguments", CHANGES.values(), ids=CHANGES)
def test_a_change_names_the_user_of_the_machine(
    spantoll: Cli, tmp_path: Path, arguments: list[str]
) -> None:
    row = "openai,gpt-4o,input,1,1M"
    (tmp_path / "prices.csv").write_text(f"provider,model,metric,amount,per\n{row}\n")

    changed = spantoll(*arguments)

    assert changed.status == 0, changed.err
    (event,) = json.loads(spantoll("db", "audit", "-f", "json").out)
    action = arguments[0].replace("aliases", "prices")
    assert (event["by"], event["action"]) == (user_name(), action)


def test_ending_what_a_customer_pays_is_a_change_of_its_own(spantoll: Cli) -> None:
    spantoll("customers", "set", "acme", "--markup-percent", "30")

    spantoll("customers", "end", "1", "--at", "2027-01-01")

    events = json.loads(spantoll("db", "audit", "-f", "json").out)
    assert [event["why"] for event in events] == ["ended row 1", "added rows [1]"]
