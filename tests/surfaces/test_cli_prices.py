"""`spantoll prices`: rows in, rows out, and what they change for calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.surfaces.conftest import Cli

Price = Callable[..., dict[str, Any]]


@pytest.fixture
def estimate(spantoll: Cli) -> Price:
    """Estimate a call of 1,000,000 input tokens."""

    def ask(provider: str, model: str, *more: str) -> dict[str, Any]:
        given = ("--provider", provider, "--model", model, "--input", "1000000", *more)
        answer: dict[str, Any] = json.loads(spantoll("estimate", *given, "--format", "json").out)
        return answer

    return ask


def test_a_price_that_was_set_bills_calls(spantoll: Cli, estimate: Price) -> None:
    before = estimate("acme", "m")

    done = spantoll("prices", "set", "acme", "m", "input=2.50/1M", "output=10", "images=0.04")

    after = estimate("acme", "m")
    assert (done.status, before["status"]) == (0, "unpriced")
    assert "3 prices added" in done.out
    assert (after["cost_usd"], after["status"]) == ("2.5", "exact")
    assert after["lines"][0]["price_row"]["source"] == "user"


def test_pasting_set_without_amounts_asks_for_them(
    spantoll: Cli, estimate: Price, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = tmp_path / "answers"
    answers.write_text("2.50\n\n")

    with answers.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        done = spantoll("prices", "set", "acme", "m")

    assert (done.status, estimate("acme", "m")["cost_usd"]) == (0, "2.5")


def test_free_is_an_explicit_zero(spantoll: Cli, estimate: Price) -> None:
    spantoll("prices", "set", "acme", "pattern:*-local", "--free")

    assert estimate("acme", "llama-local")["status"] == "free"


def test_a_default_price_is_an_estimate(spantoll: Cli, estimate: Price) -> None:
    spantoll("prices", "set", "*", "*", "input=1", "output=2")

    assert estimate("acme", "anything")["status"] == "estimated"


def test_an_overlap_is_refused_and_replace_ends_the_older_row(spantoll: Cli) -> None:
    spantoll("prices", "set", "acme", "m", "input=2")

    refused = spantoll("prices", "set", "acme", "m", "input=3", "--from", "2026-06-01")
    done = spantoll("prices", "set", "acme", "m", "input=3", "--from", "2026-06-01", "--replace")

    assert refused.status == 2
    assert "row 1 of the ledger and `input=3` overlap" in refused.err
    assert "1 prices added, 1 ended" in done.out
    listed = json.loads(spantoll("prices", "list", "--format", "json").out)
    assert [(row["amount"], row["valid_from"], row["valid_to"]) for row in listed] == [
        ("2", "", "2026-06-01"),
        ("3", "2026-06-01", ""),
    ]


@pytest.mark.parametrize("format", ["csv", "json"])
def test_an_export_is_imported_into_another_ledger(
    spantoll: Cli, tmp_path: Path, format: str
) -> None:
    spantoll("prices", "exchange", "EUR", "1.1", "--from", "2026-01-01")
    euro = ("--currency", "EUR", "--from", "2026-01-01", "--context", "batch")
    spantoll("prices", "set", "acme", "m", "input=0.1", "audio_minutes=0.006", *euro)
    exported = spantoll("prices", "export", "--format", format).out
    (tmp_path / "prices.txt").write_text(exported)

    again = spantoll("prices", "import", str(tmp_path / "prices.txt"))

    assert again.out.strip().endswith("0 prices added, 2 there already")


def test_an_import_is_all_or_nothing(spantoll: Cli, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(
        "provider,model,metric,amount,per\nacme,m,input,1,1M\nacme,n,input,1,1M\nacme,m,input,2,1M\n"
    )

    refused = spantoll("prices", "import", str(file))

    assert refused.status == 2
    assert "prices.csv:2 and prices.csv:4 overlap" in refused.err
    assert json.loads(spantoll("prices", "list", "--format", "json").out) == []


def test_vendor_pricing_must_say_its_unit(spantoll: Cli, tmp_path: Path, estimate: Price) -> None:
    file = tmp_path / "seed.csv"
    file.write_text(
        "id,metric,model_name,price_per_unit,vendor_name\n1,input_tokens,gpt-4,0.05,OpenAI\n"
    )

    refused = spantoll("prices", "import", str(file))
    done = spantoll("prices", "import", str(file), "--per", "1k")

    assert (refused.status, done.status) == (2, 0)
    assert "--per" in refused.err
    assert estimate("openai", "gpt-4")["cost_usd"] == "50"


def test_a_test_shows_each_source_and_which_one_bills(spantoll: Cli) -> None:
    spantoll("prices", "set", "openai", "gpt-4o", "input=2", "output=8")

    answer = json.loads(spantoll("prices", "test", "openai", "gpt-4o", "--format", "json").out)

    costs = {row["source"].split()[0]: row["cost_usd"] for row in answer}
    assert (costs["BILLED"], costs["user"], costs["genai-prices"]) == ("10", "10", "12.5")


def test_a_file_is_tested_before_it_is_imported(spantoll: Cli, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("provider,model,metric,amount,per\nacme,m,input,1,1M\nacme,m,output,1,1M\n")

    with_file = spantoll("prices", "test", "acme", "m", "--file", str(file))
    without = spantoll("prices", "test", "acme", "m")

    assert (with_file.status, without.status) == (0, 1)


WRONG = {
    "no amount": (("prices", "set", "acme", "m", "input=cheap"), "amount must be a decimal"),
    "no metric": (("prices", "set", "acme", "m", "inptu=1"), "unknown metric"),
    "no file": (("prices", "import", "missing.csv"), "missing.csv: No such file"),
    "no format": (("prices", "export", "--format", "xlsx"), "one of csv, json"),
    "no rate": (("prices", "set", "a", "m", "input=1", "--currency", "EUR"), "no exchange rate"),
    "a currency of its own": (("prices", "exchange", "USD", "1"), "other than USD"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_used_is_one_line_and_status_2(
    spantoll: Cli, arguments: tuple[str, ...], message: str
) -> None:
    done = spantoll(*arguments)

    assert done.status == 2
    assert message in done.err
    assert done.err.count("\n") == 1


def test_prices_of_the_configuration_file_bill_calls(
    spantoll: Cli, estimate: Price, tmp_path: Path
) -> None:
    (tmp_path / "spantoll.toml").write_text(
        '[[prices]]\nprovider="acme"\nmodel="m"\nmetric="input"\namount="4"\nper="1M"\n'
    )

    assert estimate("acme", "m")["cost_usd"] == "4"
    assert "spantoll.toml prices[1]" in spantoll("prices", "list").out


def test_a_price_set_is_synced_from_a_file_and_checked(spantoll: Cli, tmp_path: Path) -> None:
    file = tmp_path / "litellm.json"
    file.write_text('{"gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 3e-06}}')

    synced = spantoll("prices", "sync", str(file))
    checked = json.loads(spantoll("prices", "check", "--model", "gpt-4o", "--format", "json").out)
    refused = spantoll("prices", "sync", str(tmp_path / "missing.json"))

    assert synced.out.startswith("litellm ")
    assert (synced.status, refused.status) == (0, 1)
    assert "No such file" in refused.err
    row = next(row for row in checked if (row["model"], row["metric"]) == ("gpt-4o", "input"))
    assert (row["bills"].split()[0], row["usd_per_unit"]) == ("genai-prices", "0.0000025")
    assert row["others"].endswith("0.000003")
