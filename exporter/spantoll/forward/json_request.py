from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["convert_json_request"]

IDS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


def convert_json_request(body: bytes) -> bytes:
    """Convert an OTLP/JSON request of spans to protobuf.

    JSON fields that protobuf does not know are left out. Raises ValueError for a request that the
    receiver accepted and OpenTelemetry's own classes refuse.
    """
    export = ExportTraceServiceRequest()
    try:
        json_format.ParseDict(_encode_ids(orjson.loads(body)), export, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error
    return export.SerializeToString()


def _encode_ids(node: Any) -> Any:
    """Replace hex ids (OTLP/JSON) by base64 (the JSON mapping of protobuf bytes)."""
    if isinstance(node, dict):
        return {
            key: b64encode(bytes.fromhex(item)).decode()
            if key in IDS and isinstance(item, str)
            else _encode_ids(item)
            for key, item in node.items()
        }
    return [_encode_ids(item) for item in node] if isinstance(node, list) else node
