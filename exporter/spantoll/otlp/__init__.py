from __future__ import annotations

from spantoll.otlp.compression import Decompressor, decompress
from spantoll.otlp.decode import (
    JSON,
    PROTOBUF,
    MediaType,
    decode_logs,
    decode_traces,
    holds_logs,
    media_type,
)
from spantoll.otlp.log import DecodedLogs, LogRecord
from spantoll.otlp.span import Decoded, Event, Rejected, Span

__all__ = [
    "JSON",
    "PROTOBUF",
    "Decoded",
    "DecodedLogs",
    "Decompressor",
    "Event",
    "LogRecord",
    "MediaType",
    "Rejected",
    "Span",
    "decode_logs",
    "decode_traces",
    "decompress",
    "holds_logs",
    "media_type",
]
