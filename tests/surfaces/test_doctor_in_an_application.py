from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from spantoll.instrumentation import registry

Cli = Callable[..., Any]


def findings(spantoll: Cli, topic: str) -> list[dict[str, str]]:
    found = json.loads(spantoll("doctor", "--format", "json").out)
    return [each for each in found if each["topic"] == topic]


def test_doctor_names_the_sdks_it_finds(spantoll: Cli, stored: Any) -> None:
    stored([])

    [found] = findings(spantoll, "sdk")

    assert found["level"] == "ok"
    for sdk in ("openai", "anthropic", "google_genai", "bedrock"):
        assert f"{sdk} " in found["text"]


def test_doctor_names_an_sdk_that_is_too_old(
    spantoll: Cli, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored([])
    real = registry._version
    monkeypatch.setattr(
        registry, "_version", lambda name: "0.27.0" if name == "openai" else real(name)
    )

    _, warning = findings(spantoll, "sdk")

    assert warning["level"] == "warning"
    assert "openai 0.27.0 is not instrumented: openai >= 1.30 is needed" in warning["text"]


@pytest.mark.parametrize(
    "value",
    [
        "opentelemetry.instrumentation.openai_v2:OpenAIInstrumentor",
        "openinference.instrumentation.mistralai:MistralAIInstrumentor",
        "opentelemetry.instrumentation.genai.anthropic:AnthropicInstrumentor",
    ],
)
def test_doctor_warns_of_doubles(
    spantoll: Cli, stored: Any, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    stored([])
    real = importlib.metadata.entry_points
    theirs = EntryPoint("theirs", value, "opentelemetry_instrumentor")
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda **wanted: (
            [theirs] if wanted == {"group": "opentelemetry_instrumentor"} else real(**wanted)
        ),
    )

    [found] = findings(spantoll, "double")

    assert value in found["text"]
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS" in found["advice"]


LOSING = {
    "a ratio": {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
    },
    "none": {"OTEL_TRACES_SAMPLER": "always_off"},
    "logs that are not sent": {
        "OTEL_TRACES_SAMPLER": "always_off",
        "SPANTOLL_USAGE_LOGS": "true",
        "OTEL_LOGS_EXPORTER": "none",
    },
}
KEEPING: dict[str, dict[str, str]] = {
    "the default": {},
    "all": {"OTEL_TRACES_SAMPLER": "always_on"},
    "a ratio of 1": {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.0"},
    "usage logs": {"OTEL_TRACES_SAMPLER": "always_off", "SPANTOLL_USAGE_LOGS": "true"},
}


@pytest.mark.parametrize("environment", LOSING.values(), ids=list(LOSING))
def test_doctor_warns_where_sampling_loses_calls(
    spantoll: Cli, stored: Any, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    stored([])
    for name, value in (environment | {"OTEL_SERVICE_NAME": "checkout"}).items():
        monkeypatch.setenv(name, value)

    [warning] = findings(spantoll, "sampling")

    assert warning["level"] == "warning"
    assert environment["OTEL_TRACES_SAMPLER"] in warning["text"]
    assert "service checkout" in warning["text"]
    assert "SPANTOLL_USAGE_LOGS=true" in warning["advice"]


@pytest.mark.parametrize("environment", KEEPING.values(), ids=list(KEEPING))
def test_doctor_is_silent_where_sampling_loses_nothing(
    spantoll: Cli, stored: Any, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    stored([])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert findings(spantoll, "sampling") == []
