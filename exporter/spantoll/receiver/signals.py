"""The OTLP signals that are received, as both transports name them.

Input: an `Answer` to a request that was accepted. Output: the path, RPC and response message of its
signal, by the OTLP specification (opentelemetry-proto, `collector/*/v1`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from spantoll.pipeline import Batch, Ingest
from spantoll.receiver.answer import Answer, shorten

__all__ = ["LOGS", "SIGNALS", "TRACES", "Signal", "receipt"]


class Signal(NamedTuple):
    """One OTLP signal: where it is sent, and how its answer is spelled."""

    name: str
    path: str
    rpc: str
    read: Callable[..., Batch]
    """The step of `Ingest` that takes its requests."""
    partial: Callable[[int, str], Message]


def _traces(rejected: int, message: str) -> Message:
    return trace_service_pb2.ExportTraceServiceResponse(
        partial_success=trace_service_pb2.ExportTracePartialSuccess(
            rejected_spans=rejected, error_message=message
        )
    )


def _logs(rejected: int, message: str) -> Message:
    return logs_service_pb2.ExportLogsServiceResponse(
        partial_success=logs_service_pb2.ExportLogsPartialSuccess(
            rejected_log_records=rejected, error_message=message
        )
    )


TRACES = Signal(
    "traces",
    "/v1/traces",
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Ingest.traces,
    _traces,
)
LOGS = Signal(
    "logs",
    "/v1/logs",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    Ingest.logs,
    _logs,
)

SIGNALS = (TRACES, LOGS)


def receipt(signal: Signal, answer: Answer, *, as_json: bool = False) -> bytes:
    """Encode the response of an accepted request; `partial_success` stays unset on full success."""
    if not answer.rejected and not answer.message:
        return b"{}" if as_json else b""
    message = signal.partial(answer.rejected, shorten(answer.message))
    if as_json:
        return json_format.MessageToJson(message, indent=None).encode()
    return message.SerializeToString()
