"""Calls of the demo as OTLP/JSON, as instrumentations report them.

Input: a `DemoCall`. Output: spans under the attributes of the OpenTelemetry GenAI conventions, and
bodies of `POST /v1/traces`. A failed call reports no usage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spantoll.semconv import attributes as keys
from spantoll.surfaces.demo.calls import DemoCall

__all__ = ["write_requests"]

SDKS = {"gcp.gemini": "google_genai", "mistral_ai": "mistralai"}
"""Packages whose name is not the provider's."""
FRAMEWORK_SCOPE = "opentelemetry.instrumentation.langchain"
SPANS_PER_REQUEST = 200
CLIENT, ERROR = 3, 2
"""SPAN_KIND_CLIENT and STATUS_CODE_ERROR of OTLP."""


def write_requests(calls: Sequence[DemoCall]) -> Iterator[bytes]:
    """Write the bodies of the requests that report these calls."""
    reported = [(_name_scope(call), call, _write_span(call)) for call in calls]
    reported += [(FRAMEWORK_SCOPE, call, _write_outer_span(call)) for call in calls if call.doubled]
    for first in range(0, len(reported), SPANS_PER_REQUEST):
        resources = [
            {
                "resource": {"attributes": _write_attributes(_describe_service(call))},
                "scopeSpans": [{"scope": {"name": scope, "version": "1.0"}, "spans": [span]}],
            }
            for scope, call, span in reported[first : first + SPANS_PER_REQUEST]
        ]
        yield json.dumps({"resourceSpans": resources}).encode()


def _name_scope(call: DemoCall) -> str:
    return f"spantoll.instrumentation.{SDKS.get(call.workload.provider, call.workload.provider)}"


def _describe_service(call: DemoCall) -> Mapping[str, Any]:
    return {
        "service.name": f"{call.workload.team}-service",
        "deployment.environment.name": "demo",
        "team": call.workload.team,
    }


def _write_span(call: DemoCall) -> dict[str, Any]:
    workload = call.workload
    attributes: dict[str, Any] = {
        keys.OPERATION_NAME: "chat",
        keys.PROVIDER_NAME: workload.provider,
        keys.REQUEST_MODEL: workload.model,
        "customer.id": call.customer_id,
    }
    if call.error_type:
        attributes[keys.ERROR_TYPE] = call.error_type
    else:
        attributes |= {
            keys.RESPONSE_MODEL: workload.model,
            keys.RESPONSE_ID: f"demo-{call.number}",
            keys.USAGE_INPUT_TOKENS: call.input_tokens,
            keys.USAGE_OUTPUT_TOKENS: call.output_tokens,
        }
        if call.cached_tokens:
            attributes[keys.USAGE_CACHE_READ] = call.cached_tokens
    span: dict[str, Any] = {
        "traceId": f"{call.number + 1:032x}",
        "spanId": f"{call.number + 1:016x}",
        "name": f"chat {workload.model}",
        "kind": CLIENT,
        "startTimeUnixNano": str(call.start_ns),
        "endTimeUnixNano": str(call.start_ns + call.duration_ns),
        "attributes": _write_attributes(attributes),
    }
    if call.error_type:
        span["status"] = {"code": ERROR}
    if call.doubled:
        span["parentSpanId"] = _outer_id(call)
    return span


def _write_outer_span(call: DemoCall) -> dict[str, Any]:
    """Return the span of a framework around the SDK's span of the same call."""
    span = _write_span(call)
    del span["parentSpanId"]
    return {**span, "spanId": _outer_id(call)}


def _outer_id(call: DemoCall) -> str:
    return f"{call.number + 1:016x}".replace("0", "f", 1)


def _write_attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for key, value in values.items()
    ]
