"""Builders of spans for the tests of dialects, and the form of their tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from spantoll.otlp import Span
from spantoll.semconv import ModelCall, read

OTEL = "opentelemetry.instrumentation.genai.openai"
BOTOCORE = "opentelemetry.instrumentation.botocore.bedrock-runtime"

GENAI = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
CACHED = {
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.cache_creation.input_tokens": 20,
}


class Reading(NamedTuple):
    """A span, and the usage that must be read from it."""

    scope: str
    attributes: Mapping[str, Any]
    usage: tuple[int | None, int | None, int | None, int | None, int | None]
    """Input, output, cache read, cache write, reasoning."""
    name: str = "span"


def span(scope: str = OTEL, /, *, name: str = "span", version: str = "", **more: Any) -> Span:
    values: dict[str, Any] = {
        "trace_id": b"t" * 16,
        "span_id": b"s" * 8,
        "parent_span_id": None,
        "name": name,
        "kind": 3,
        "start_ns": 1_000,
        "end_ns": 2_000,
        "status_code": 0,
        "status_message": "",
        "attributes": {},
        "events": (),
        "resource": {"service.name": "shop"},
        "scope_name": scope,
        "scope_version": version,
        "schema_url": "",
    }
    return Span(**values | more)


def read_call(scope: str, attributes: Mapping[str, Any], **more: Any) -> ModelCall:
    found = read(span(scope, attributes=attributes, **more))
    assert found is not None
    return found


def read_tokens(reading: Reading) -> tuple[int | None, ...]:
    usage = read_call(reading.scope, reading.attributes, name=reading.name).usage
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )
