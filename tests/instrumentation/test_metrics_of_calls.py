from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from spantoll import instrumentation

DURATIONS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12]
DURATIONS += [10.24, 20.48, 40.96, 81.92]
TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304]
TOKENS += [16777216, 67108864]
INFERENCE = "gen_ai.client.inference."


class Measured:
    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider(metric_readers=[self._reader])

    def points(self) -> dict[str, list[Any]]:
        """Data points by metric name."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def measured() -> Iterator[Measured]:
    """Metrics of an application that exports no traces, under today's names."""
    yield from measure()


@pytest.fixture
def measured_latest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Measured]:
    """The same under the newer names."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http,gen_ai_latest_experimental")
    yield from measure()


def measure() -> Iterator[Measured]:
    measured = Measured()
    instrumentation.instrument(meter_provider=measured.provider)
    yield measured
    instrumentation.uninstrument()
    measured.provider.shutdown()


def test_a_call_does_not_ask_the_environment_for_a_meter_provider(
    client: openai.OpenAI, spans: Any, question: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: asked.append(1))

    client.chat.completions.create(**question())

    assert spans.only_span()
    assert not asked


def test_todays_names_are_the_default(
    client: openai.OpenAI, measured: Measured, question: Any
) -> None:
    list(client.chat.completions.create(**question("#chunks=3", stream=True)))

    points = measured.points()
    assert sorted(points) == [
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_per_output_chunk",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.token.usage",
    ]
    (duration,) = points["gen_ai.client.operation.duration"]
    assert list(duration.explicit_bounds) == pytest.approx(DURATIONS)
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum
        for point in points["gen_ai.client.token.usage"]
    }
    assert tokens == {"input": 100, "output": 20}
    assert list(points["gen_ai.client.token.usage"][0].explicit_bounds) == TOKENS


def test_each_chunk_after_the_first_has_a_time(
    client: openai.OpenAI, measured: Measured, question: Any
) -> None:
    seen = len(list(client.chat.completions.create(**question("#chunks=7", stream=True))))

    points = measured.points()
    (per_chunk,) = points["gen_ai.client.operation.time_per_output_chunk"]
    (duration,) = points["gen_ai.client.operation.duration"]
    # The chunk with the usage, which the caller does not get, came too.
    assert per_chunk.count == seen
    assert per_chunk.sum <= duration.sum


def test_both_versions_are_measured_where_dup_is_chosen(
    client: openai.OpenAI, question: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental/dup")
    for measured in measure():
        client.chat.completions.create(**question())
        names = set(measured.points())

    assert {"gen_ai.client.token.usage", INFERENCE + "duration"} <= names


def test_embeddings_have_their_input_tokens(client: openai.OpenAI, measured: Measured) -> None:
    client.embeddings.create(model="text-embedding-3-small", input="#input=9")

    (tokens,) = measured.points()["gen_ai.client.token.usage"]
    assert (tokens.sum, tokens.attributes["gen_ai.token.type"]) == (9, "input")


def test_a_call_is_measured_with_the_conventions_buckets(
    client: openai.OpenAI, measured_latest: Measured, question: Any
) -> None:
    list(client.chat.completions.create(**question(stream=True)))

    points = measured_latest.points()
    (duration,) = points[INFERENCE + "duration"]
    (first,) = points[INFERENCE + "time_to_first_chunk"]
    assert points[INFERENCE + "time_per_output_chunk"][0].count > 0
    (tokens,) = points[INFERENCE + "operation.input_tokens"]
    assert list(duration.explicit_bounds) == pytest.approx(DURATIONS)
    assert list(tokens.explicit_bounds) == TOKENS
    assert tokens.sum == 100
    assert 0 < first.sum <= duration.sum


def test_a_point_has_the_dimensions_of_its_call(
    client: openai.OpenAI, measured_latest: Measured, question: Any
) -> None:
    client.chat.completions.create(**question())

    (point,) = measured_latest.points()[INFERENCE + "duration"]
    found = dict(point.attributes)
    assert found.pop("server.port") > 0
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "server.address": "127.0.0.1",
    }


def test_billable_tokens_are_counted_by_kind(
    client: openai.OpenAI, measured_latest: Measured, question: Any
) -> None:
    for _ in range(3):
        client.chat.completions.create(**question())

    points = measured_latest.points()
    counted = {
        kind: sum(point.value for point in points[f"{INFERENCE}usage.{kind}"])
        for kind in (
            "input_tokens",
            "output_tokens",
            "cache_read.input_tokens",
            "reasoning.output_tokens",
        )
    }
    assert counted == {
        "input_tokens": 300,
        "output_tokens": 60,
        "cache_read.input_tokens": 180,
        "reasoning.output_tokens": 15,
    }


def test_modalities_are_counted_apart(
    client: openai.OpenAI, measured_latest: Measured, question: Any
) -> None:
    client.chat.completions.create(**question("#audio=30"))

    counted = {
        point.attributes["gen_ai.token.modality"]: point.value
        for point in measured_latest.points()[INFERENCE + "usage.input_tokens"]
    }
    assert counted == {"audio": 30, "unknown": 70}


def test_a_stream_without_usage_counts_zero_of_unknown_kind(
    client: openai.OpenAI, measured_latest: Measured, question: Any
) -> None:
    next(client.chat.completions.create(**question(stream=True)))

    (point,) = measured_latest.points()[INFERENCE + "usage.output_tokens"]
    assert (point.value, point.attributes["gen_ai.token.modality"]) == (0, "unknown")


def test_errors_have_a_dimension(
    client: openai.OpenAI, measured_latest: Measured, question: Any
) -> None:
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**question("#status=429"))

    (point,) = measured_latest.points()[INFERENCE + "duration"]
    assert point.attributes["error.type"] == "openai.RateLimitError"


def test_embeddings_and_media_have_their_own(
    client: openai.OpenAI, measured_latest: Measured
) -> None:
    client.embeddings.create(model="text-embedding-3-small", input="#input=9")
    client.audio.speech.create(model="tts-1", voice="alloy", input="Hello")

    points = measured_latest.points()
    assert points["gen_ai.client.embeddings.operation.input_tokens"][0].sum == 9
    assert points["gen_ai.client.embeddings.duration"][0].count == 1
    assert points["gen_ai.client.operation.duration"][0].count == 1
