from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["to_protobuf"]

IDS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


def to_protobuf(body: bytes) -> bytes:
    """Read an OTLP/JSON request that was accepted, write it as protobuf.

    Unknown fields have no place in protobuf and are lost. Raises ValueError for what we read more
    leniently than the official classes.
    """
    export = ExportTraceServiceRequest()
    try:
        json_format.ParseDict(_with_base64(orjson.loads(body)), export, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error
    return export.SerializeToString()


def _with_base64(node: Any) -> Any:
    """Ids are hex in OTLP/JSON, where protobuf's mapping has base64."""
    if isinstance(node, dict):
        return {
            key: b64encode(bytes.fromhex(item)).decode()
            if key in IDS and isinstance(item, str)
            else _with_base64(item)
            for key, item in node.items()
        }
    return [_with_base64(item) for item in node] if isinstance(node, list) else node
