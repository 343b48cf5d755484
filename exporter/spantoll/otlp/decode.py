"""The body of an OTLP export request -> decoded items, in either encoding.

The Content-Type decides the encoding (opentelemetry.io/docs/specs/otlp); an item that is malformed
is rejected alone and counted. A decoder is loaded by the first request in its encoding: what reads
a ledger needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from spantoll.errors import UnsupportedMedia
from spantoll.otlp.log import DecodedLogs
from spantoll.otlp.span import Decoded

__all__ = [
    "JSON",
    "PROTOBUF",
    "MediaType",
    "decode_logs",
    "decode_traces",
    "holds_logs",
    "media_type",
]

MediaType = Literal["application/x-protobuf", "application/json"]
PROTOBUF: MediaType = "application/x-protobuf"
JSON: MediaType = "application/json"


def media_type(content_type: str | None) -> MediaType:
    """Read a Content-Type header, parameters and case aside. Raises UnsupportedMedia."""
    named = (content_type or "").partition(";")[0].strip().lower()
    if named == PROTOBUF:
        return PROTOBUF
    if named == JSON:
        return JSON
    raise UnsupportedMedia(f"Content-Type must be {PROTOBUF} or {JSON}")


def decode_traces(
    body: bytes, *, content_type: str = PROTOBUF, wanted: Callable[[bytes], bool] | None = None
) -> Decoded:
    """Decode one ExportTraceServiceRequest; a bad span is rejected alone, its neighbours are not.

    `wanted` decides by a span's encoded bytes whether it is decoded; a span that is not wanted is
    counted as skipped, valid or not. It is also asked about the bytes of many spans in a row, so it
    must return True for bytes that contain any it returns True for. Raises BadRequest,
    UnsupportedMedia.
    """
    warning = ""
    if media_type(content_type) == JSON:
        from spantoll.otlp import json

        batch, warning = json.read_spans(body, wanted)
    else:
        from spantoll.otlp import protobuf

        batch = protobuf.read_spans(body, wanted)
    return Decoded(batch.items, batch.received, batch.skipped, batch.rejected, warning)


def decode_logs(
    body: bytes, *, content_type: str = PROTOBUF, wanted: Callable[[bytes], bool] | None = None
) -> DecodedLogs:
    """Decode one ExportLogsServiceRequest as `decode_traces` does spans."""
    warning = ""
    if media_type(content_type) == JSON:
        from spantoll.otlp import json

        batch, warning = json.read_logs(body, wanted)
    else:
        from spantoll.otlp import protobuf

        batch = protobuf.read_logs(body, wanted)
    return DecodedLogs(batch.items, batch.received, batch.skipped, batch.rejected, warning)


def holds_logs(body: bytes, *, content_type: str = PROTOBUF) -> bool:
    """Return True if a request has log records, for senders that name no endpoint.

    False also for what cannot be read: decoding it raises the reason.
    """
    if media_type(content_type) == JSON:
        from spantoll.otlp import json

        return json.holds_logs(body)
    from spantoll.otlp import protobuf

    return protobuf.holds_logs(body)
