"""`spantoll aliases` and `spantoll config`: names, settings and where they come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.surfaces.conftest import Cli


def estimate(spantoll: Cli, provider: str, model: str) -> str | None:
    given = ("--provider", provider, "--model", model, "--input", "1000000", "--format", "json")
    cost: str | None = json.loads(spantoll("estimate", *given).out)["cost_usd"]
    return cost


def test_an_alias_that_was_set_prices_the_deployment(spantoll: Cli) -> None:
    before = estimate(spantoll, "azure.ai.openai", "prod-eu")

    done = spantoll("aliases", "set", "azure.ai.openai", "prod-eu", "gpt-4o")

    assert (before, done.status) == (None, 0)
    assert estimate(spantoll, "azure.ai.openai", "prod-eu") == "2.5"


def test_pasting_set_without_a_model_asks_for_it(
    spantoll: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = tmp_path / "answers"
    answers.write_text("gpt-4o\n")

    with answers.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        spantoll("aliases", "set", "azure.ai.openai", "prod-eu")

    assert estimate(spantoll, "azure.ai.openai", "prod-eu") == "2.5"


@pytest.mark.parametrize("format", ["csv", "json"])
def test_an_export_is_imported(spantoll: Cli, tmp_path: Path, format: str) -> None:
    more = ("--provider", "openai", "--region", "eu", "--from", "2026-01-01", "--note", "ours")
    spantoll("aliases", "set", "acme", "prefix:house", "gpt-4o", *more)
    (tmp_path / "aliases.txt").write_text(spantoll("aliases", "export", "--format", format).out)

    again = spantoll("aliases", "import", str(tmp_path / "aliases.txt"))
    replaced = spantoll("aliases", "set", "acme", "prefix:house", "gpt-4.1", "--replace")

    assert again.out.strip() == "0 aliases added, 1 there already"
    assert "1 aliases added, 1 ended" in replaced.out
    listed = json.loads(spantoll("aliases", "list", "--format", "json").out)
    assert [row["to_model"] for row in listed] == ["gpt-4.1"]


def test_an_alias_of_the_configuration_file_holds(spantoll: Cli, tmp_path: Path) -> None:
    (tmp_path / "spantoll.toml").write_text(
        '[[aliases]]\nprovider="acme"\nmodel="house"\nto_provider="openai"\nto_model="gpt-4o"\n'
    )

    assert estimate(spantoll, "acme", "house") == "2.5"
    assert "spantoll.toml aliases[1]" in spantoll("aliases", "list").out


def test_config_shows_where_each_value_comes_from(
    spantoll: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spantoll.toml").write_text(
        'tz = "Asia/Tokyo"\ngrpc = "off"\n[[aliases]]\nprovider="a"\nmodel="b"\nto_model="c"\n'
    )
    monkeypatch.setenv("SPANTOLL_TZ", "Europe/Berlin")
    monkeypatch.setenv("SPANTOLL_TOKENS", "secret")

    shown = json.loads(spantoll("config", "show", "--origin", "--format", "json").out)

    rows = {row["name"]: (row["value"], row["origin"]) for row in shown}
    assert rows["tz"] == ("Europe/Berlin", "variable SPANTOLL_TZ")
    assert rows["grpc"] == ("off", "spantoll.toml, line 2")
    assert rows["grace_s"] == ("20.0", "default")
    assert rows["database"][1] == "option --database"
    assert rows["tokens"] == ("(hidden)", "variable SPANTOLL_TOKENS")
    assert rows["aliases"] == ("1 rows", "spantoll.toml")


def test_config_shows_no_password_of_a_database(spantoll: Cli) -> None:
    shown = spantoll("config", "show", "--database", "postgresql://u:secret@h/d")

    assert "secret" not in shown.out
