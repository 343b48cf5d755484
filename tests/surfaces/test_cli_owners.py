from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spantoll.records import UsageRecord
from tests.surfaces.conftest import Cli


def test_usage_is_grouped_by_the_owner_that_was_set(
    spantoll: Cli, stored: Callable[..., Any], record: Callable[..., UsageRecord]
) -> None:
    stored([record(user_id="ann"), record(user_id="bob")])

    done = spantoll("owners", "set", "cost_centre", "4711", "user_id=ann", "--from", "2020-01-01")

    answer = json.loads(spantoll("usage", "--by", "cost_centre", "--format", "json").out)
    assert done.out == "owner rule 1 (user_id=ann: cost_centre 4711)\n"
    assert {row["owner_cost_centre"]: row["requests"] for row in answer["rows"]} == {
        "4711": 1,
        None: 1,
    }


@pytest.mark.parametrize("format", ["csv", "json"])
def test_exported_rules_are_imported(spantoll: Cli, tmp_path: Path, format: str) -> None:
    spantoll("owners", "set", "team", "pay", "attr.repo^=pay/", "--to", "2030-01-01")
    (tmp_path / "rules").write_text(spantoll("owners", "export", "--format", format).out)

    again = spantoll("owners", "import", str(tmp_path / "rules"))

    assert (again.status, again.err) == (0, "1 rule of them: there already\n")


def test_the_rules_of_a_configuration_file_are_imported(spantoll: Cli, tmp_path: Path) -> None:
    file = tmp_path / "spantoll.toml"
    file.write_text('tz = "UTC"\n[[owners]]\nkind="team"\nowner="pay"\nwhere="user_id=ann"\n')

    done = spantoll("owners", "import", str(file))

    assert done.out == "owner rule 1 (user_id=ann: team pay)\n"


def test_an_ended_rule_is_listed_with_its_end(spantoll: Cli) -> None:
    spantoll("owners", "set", "team", "pay", "user_id=ann")

    spantoll("owners", "end", "1", "--at", "2026-11-01")

    assert "2026-11-01T00:00:00+00:00" in spantoll("owners", "list").out


def test_a_wrong_rule_says_what_is_allowed(spantoll: Cli) -> None:
    refused = spantoll("owners", "set", "team", "pay", "modle=gpt-4o")

    assert refused.status == 2
    assert "did you mean 'model'?" in refused.err
