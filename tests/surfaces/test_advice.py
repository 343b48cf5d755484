"""What `doctor` and `usage` advise for calls without a price is a command that works as it is."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spantoll.surfaces.advice import advise_unpriced
from spantoll.surfaces.cli import main
from tests.surfaces.conftest import Cli

Ingest = Callable[..., None]


@pytest.fixture
def ingest(spantoll: Cli, tmp_path: Path) -> Ingest:
    """Receive the span of one call."""

    def send(**attributes: Any) -> None:
        given = {"gen_ai.operation.name": "chat", **attributes}
        span = {
            "traceId": "1" * 32,
            "spanId": f"{len(list(tmp_path.glob('*.json'))) + 1:016x}",
            "name": "chat",
            "startTimeUnixNano": "1795176000000000000",
            "endTimeUnixNano": "1795176001000000000",
            "attributes": [
                {"key": key.replace("__", "."), "value": _value(value)}
                for key, value in given.items()
            ],
        }
        file = tmp_path / f"{span['spanId']}.json"
        file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))
        assert spantoll("ingest", str(file)).status == 0

    return send


def _value(value: Any) -> dict[str, str]:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def advised(text: str) -> str:
    """Return the command after the first arrow."""
    return next(line.partition("-> ")[2] for line in text.splitlines() if "-> spantoll" in line)


CALLS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a model nobody prices": (
        {"gen_ai.provider.name": "acme", "gen_ai.request.model": "house o'1"},
        "1\n2\n",
        "acme",
    ),
    "an Azure deployment": (
        {"gen_ai.provider.name": "azure.ai.openai", "gen_ai.request.model": "prod-eu"},
        "gpt-4o\n",
        "azure.ai.openai",
    ),
    "a model whose provider nobody names": ({"gen_ai.request.model": "house"}, "1\n2\n", ""),
}


@pytest.mark.parametrize("command", ["doctor", "usage"])
@pytest.mark.parametrize(("called", "answers", "provider"), CALLS.values(), ids=CALLS)
def test_pasting_the_advice_prices_the_next_call(
    called: dict[str, Any],
    answers: str,
    provider: str,
    command: str,
    spantoll: Cli,
    ingest: Ingest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = {"gen_ai.usage.input_tokens": 1_000, "gen_ai.usage.output_tokens": 1_000}
    ingest(**called, **tokens)
    (tmp_path / "answers").write_text(answers)

    pasted = shlex.split(advised(spantoll(command).out))
    with (tmp_path / "answers").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(pasted[1:]) == 0
    ingest(**called, **tokens)

    records = json.loads(spantoll("records", "--format", "json").out)
    assert sorted(record["cost_usd"] is None for record in records) == [False, True]


@pytest.mark.parametrize("command", ["doctor", "usage"])
@pytest.mark.parametrize(
    ("undone", "prices", "advice"),
    [
        (False, ("input=1/1M", "output=2/1M"), "spantoll reprice --provider acme --model house"),
        (True, ("input=1/1M", "output=2/1M"), "spantoll reprice --provider acme --model house"),
        (False, ("images=1",), "spantoll prices set acme house"),
    ],
    ids=["priced since", "re-pricing undone", "no price for tokens"],
)
def test_calls_that_have_a_price_by_now_are_to_be_priced_again(
    undone: bool,
    prices: tuple[str, ...],
    advice: str,
    command: str,
    spantoll: Cli,
    ingest: Ingest,
) -> None:
    tokens = {"gen_ai.usage.input_tokens": 1_000, "gen_ai.usage.output_tokens": 1_000}
    ingest(**{"gen_ai.provider.name": "acme", "gen_ai.request.model": "house"}, **tokens)
    spantoll("prices", "set", "acme", "house", *prices)
    if undone:
        spantoll("reprice", "--yes")
        spantoll("reprice", "undo", "1")

    pasted = advised(spantoll(command).out)

    assert pasted.startswith(advice)
    if "reprice" in advice:
        assert main([*shlex.split(pasted)[1:], "--yes"]) == 0
        assert "-> spantoll" not in spantoll(command).out


ARN = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/x"
ADVISED = {
    "a unit": (
        ("acme", "m", "no_price_for_units: acme/m has no price for images, audio_ms"),
        "spantoll prices set acme m images audio_minutes",
    ),
    "a part of a call": (
        ("openai", "gpt-4o", "no price for cache_write_1h_tokens; input_tokens not reported"),
        "spantoll prices set openai gpt-4o cache_write_1h",
    ),
    "an ARN": (
        (
            "aws.bedrock",
            ARN,
            "unknown_model",
        ),
        f"spantoll aliases set aws.bedrock {ARN}",
    ),
    "a doubt": (("openai", "x", "no price for x, priced as y"), ""),
    "no model": (("openai", None, "no_model"), "the instrumentation does not report the model"),
}


@pytest.mark.parametrize(("case", "expected"), ADVISED.values(), ids=ADVISED)
def test_the_advice_names_what_has_no_price(
    case: tuple[str | None, str | None, str], expected: str
) -> None:
    advice = advise_unpriced(*case)

    assert advice.startswith(expected)
    assert bool(advice) == bool(expected)
