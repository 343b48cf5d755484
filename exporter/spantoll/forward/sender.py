"""One attempt to send an encoded request to a target, over OTLP/HTTP or OTLP/gRPC.

Which answers may be retried, and after what delay, follows the OTLP specification 1.x ("Failures"
and "Throttling" of both transports).
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple, Protocol

import grpc
import urllib3
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spantoll.defaults import HOP_HEADER
from spantoll.forward.target import Target

__all__ = ["HOP", "Outcome", "Reply", "Sender", "connect"]

HOP = HOP_HEADER
"""Header and metadata key: the receivers a request came through, comma separated."""

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
ANSWER_BYTES = 64 << 10
"""Of an answer over HTTP, as the Collector reads; an ExportTraceServiceResponse is shorter."""
THROTTLING = (429, 503)
RETRYABLE_STATUS = (429, 502, 503, 504)
RETRYABLE_CODE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
"""Also RESOURCE_EXHAUSTED, if it carries RetryInfo (table of the OTLP specification)."""


class Outcome(Enum):
    """The result of one attempt."""

    TAKEN = "taken"
    RETRY = "retry"
    REFUSED = "refused"


class Reply(NamedTuple):
    """The target's answer to one attempt."""

    outcome: Outcome
    message: str = ""
    after_s: float = 0.0
    """The pause the target asks for, at least."""
    rejected_spans: int = 0


class Sender(Protocol):
    """One connection to a target; used by one thread."""

    def send(self, body: bytes, *, hops: str, timeout_s: float) -> Reply:
        """Attempt once. Raises nothing."""

    def close(self) -> None:
        """Let the connection go; an attempt under way ends soon."""


def connect(target: Target, headers: Mapping[str, str]) -> Sender:
    """Make the sender of a target; it connects when it is first used."""
    return RpcSender(target, headers) if target.rpc else HttpSender(target, headers)


class HttpSender:
    """OTLP/HTTP in protobuf."""

    def __init__(self, target: Target, headers: Mapping[str, str]) -> None:
        self._url = str(target)
        self._headers = {**headers, "content-type": "application/x-protobuf"}
        self._pool = urllib3.PoolManager(maxsize=1, retries=False)

    def send(self, body: bytes, *, hops: str, timeout_s: float) -> Reply:
        """Attempt once. Raises nothing."""
        deadline = time.monotonic() + timeout_s
        try:
            answer = self._pool.request(
                "POST",
                self._url,
                body=body,
                headers={**self._headers, HOP: hops},
                timeout=urllib3.Timeout(total=timeout_s),
                redirect=False,
                preload_content=False,
            )
            content = _read_answer(answer, deadline)
        except urllib3.exceptions.HTTPError as error:
            return Reply(Outcome.RETRY, f"{type(error).__name__}: {error}")
        if 200 <= answer.status < 300:
            return _read_success(content)
        message = f"HTTP {answer.status}"
        if answer.status not in RETRYABLE_STATUS:
            return Reply(Outcome.REFUSED, message)
        after = answer.headers.get("retry-after") if answer.status in THROTTLING else None
        return Reply(Outcome.RETRY, message, _parse_retry_after(after))

    def close(self) -> None:
        """Let the connection go."""
        self._pool.clear()


class RpcSender:
    """OTLP/gRPC, the message being bytes already."""

    def __init__(self, target: Target, headers: Mapping[str, str]) -> None:
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        # Attempts are 5 s apart or more: the channel is to have reconnected by then.
        options = (("grpc.max_reconnect_backoff_ms", 5_000), ("grpc.max_send_message_length", -1))
        if target.scheme == "grpcs":
            credentials = grpc.ssl_channel_credentials()
            self._channel = grpc.secure_channel(target.authority, credentials, options=options)
        else:
            self._channel = grpc.insecure_channel(target.authority, options=options)
        self._export: Any = self._channel.unary_unary(EXPORT)

    def send(self, body: bytes, *, hops: str, timeout_s: float) -> Reply:
        """Attempt once. Raises nothing."""
        try:
            answer = self._export(body, timeout=timeout_s, metadata=(*self._metadata, (HOP, hops)))
        except grpc.RpcError as error:
            return _read_failure(error)
        except ValueError as error:  # the channel was closed meanwhile
            return Reply(Outcome.RETRY, str(error))
        return _read_success(answer)

    def close(self) -> None:
        """Let the connection go."""
        self._channel.close()


def _read_answer(answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """Read the body, within bounds: a target may send without end, or a byte every few seconds."""
    content = b""
    while chunk := answer.read1(ANSWER_BYTES, decode_content=False):
        content += chunk
        if len(content) > ANSWER_BYTES or time.monotonic() > deadline:
            answer.close()
            return b""
    answer.release_conn()
    return content


def _read_success(answer: bytes) -> Reply:
    try:
        partial = ExportTraceServiceResponse.FromString(answer).partial_success
    except DecodeError:  # a JSON answer, or none: the status is what counts
        return Reply(Outcome.TAKEN)
    return Reply(Outcome.TAKEN, partial.error_message, rejected_spans=partial.rejected_spans)


def _read_failure(error: Any) -> Reply:
    message = f"{error.code().name}: {error.details() or ''}"
    info = _read_retry_info(
        dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    )
    retryable = error.code() in RETRYABLE_CODE
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        retryable = info is not None
    if not retryable:
        return Reply(Outcome.REFUSED, message)
    return Reply(Outcome.RETRY, message, info or 0.0)


def _read_retry_info(details: bytes) -> float | None:
    info = error_details_pb2.RetryInfo()
    try:
        for packed in status_pb2.Status.FromString(details).details:
            if packed.Unpack(info):
                delay_s: float = info.retry_delay.ToTimedelta().total_seconds()
                return max(0.0, delay_s)
    except (DecodeError, OverflowError):
        pass
    return None


def _parse_retry_after(text: str | None) -> float:
    """Parse Retry-After, seconds or a date (RFC 9110, 10.2.3); 0 if it is neither."""
    if not text:
        return 0.0
    try:
        if text.isdecimal():
            return float(text)
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
