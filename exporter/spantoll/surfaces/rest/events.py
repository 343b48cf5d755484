"""CloudEvents 1.0, and what a usage event looks like.

Input: the headers and body of a request. Output: the usage event of each CloudEvent, with its id
and source. Structured (one or a batch) and binary mode; `subject` names the customer where the data
does not, `time` the time. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from spantoll.errors import EventError
from spantoll.pipeline.usage_event import MEMBERS, STATUSES
from spantoll.surfaces.rest.problem import ProblemError

__all__ = ["USAGE_EVENT", "CloudEvent", "read_cloud_events"]

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
REQUIRED = ("id", "source", "type")
LONGEST = 1_024

USAGE_EVENT: dict[str, Any] = {
    "type": "object",
    "description": "One model call. Members that are not described are not stored.",
    "properties": {
        "id": {"type": ["string", "null"], "description": "Sent again, it is not stored again."},
        **{name: {"type": ["string", "null"]} for name in MEMBERS},
        "timestamp": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "status": {"enum": [*STATUSES, None]},
        "latency_ms": {"type": ["number", "null"], "minimum": 0},
        "batch": {"type": ["boolean", "null"]},
        "usage": {
            "type": "object",
            "description": "`usage` of docs/prices.md: input_tokens, output_tokens, cache_read ...",
            "examples": [{"input_tokens": 500, "output_tokens": 1_000}],
        },
        "metadata": {
            "type": ["object", "null"],
            "description": "Short names and values, no content.",
        },
    },
    "required": ["usage"],
}
"""JSON schema of an event in our spelling."""


class CloudEvent(NamedTuple):
    """A usage event, and what identifies it among all."""

    id: str
    source: str
    event: Mapping[str, Any]


def read_cloud_events(headers: Mapping[str, str], body: bytes) -> Sequence[CloudEvent]:
    """Read the events of a request. Raises EventError, or ProblemError 400 and 415."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == SINGLE:
        return [_read(_parse(body), "")]
    if media == BATCH:
        batch = _parse(body)
        if not isinstance(batch, list):
            raise EventError("a batch is an array", pointer="")
        return [_read(each, f"/{index}") for index, each in enumerate(batch)]
    if "ce-id" in headers:
        attributes = {
            name.removeprefix("ce-"): value
            for name, value in headers.items()
            if name.startswith("ce-")
        }
        return [_read({**attributes, "data": _parse(body)}, "")]
    raise ProblemError(415, f"send {SINGLE}, {BATCH}, or the headers ce-id, ce-source and ce-type")


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise ProblemError(400, "the body is not JSON") from None


def _read(event: Any, place: str) -> CloudEvent:
    if not isinstance(event, dict):
        raise EventError("an event is an object", pointer=place)
    if event.get("specversion") != "1.0":
        raise EventError("specversion is not 1.0", pointer=f"{place}/specversion")
    for name in REQUIRED:
        value = event.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
            raise EventError(f"{name} is not a text", pointer=f"{place}/{name}")
    data = event.get("data")
    if not isinstance(data, dict):
        raise EventError("data is not a usage event", pointer=f"{place}/data")
    usage_event = {name: value for name, value in data.items() if name != "id"}
    if event.get("time") is not None:
        usage_event.setdefault("timestamp", event["time"])
    if event.get("subject") is not None and not {"customer", "customer_id"} & set(data):
        usage_event["customer_id"] = event["subject"]
    return CloudEvent(event["id"], event["source"], usage_event)
