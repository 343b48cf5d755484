"""OTLP over gRPC.

In: calls of the export methods, as raw bytes, so that a malformed message is ours to answer. Out:
the response of the signal, or a status with google.rpc.Status and RetryInfo in its trailers.
https://opentelemetry.io/docs/specs/otlp/#otlpgrpc
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc
from grpc import aio

from spantoll.defaults import HOP_HEADER
from spantoll.errors import ConfigurationError, SpantollError
from spantoll.receiver.address import Address
from spantoll.receiver.answer import Answer, Verdict, retry_info, shorten, status
from spantoll.receiver.decoding import Request
from spantoll.receiver.health import Health
from spantoll.receiver.intake import Intake
from spantoll.receiver.limits import Limits
from spantoll.receiver.reading import MessageReader
from spantoll.receiver.rpc_health import serve_health
from spantoll.receiver.signals import SIGNALS, Signal, receipt
from spantoll.receiver.tls import Tls

__all__ = ["RpcServer"]

CODES = {code.value[0]: code for code in grpc.StatusCode}

if TYPE_CHECKING:  # generic in the stubs only
    Context = aio.ServicerContext[bytes, bytes]
    Method = grpc.RpcMethodHandler[bytes, bytes]


def options(limits: Limits) -> Sequence[tuple[str, int]]:
    """Server options.

    `maximum_concurrent_rpcs` is absent on purpose: it answers RESOURCE_EXHAUSTED without RetryInfo,
    which senders take for permanent. Two servers must not share a port unnoticed: so_reuseport.
    """
    return (
        ("grpc.max_receive_message_length", limits.body_bytes),
        ("grpc.so_reuseport", 0),
        ("grpc.max_concurrent_streams", 256),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.max_connection_age_ms", 30 * 60_000),
        ("grpc.max_connection_age_grace_ms", 60_000),
    )


class RpcServer:
    """OTLP over gRPC: takes the raw bytes, so that a malformed message is ours to answer."""

    def __init__(
        self, intake: Intake, health: Health, *, limits: Limits, tls: Tls | None = None
    ) -> None:
        self._tls = tls
        reader = MessageReader(body_s=limits.body_s, memory_bytes=limits.memory_bytes)
        self._server = aio.server(handlers=[_Methods(intake, reader)], options=options(limits))
        serve_health(self._server, health)

    async def start(self, address: Address) -> int:
        """Listen; answers with the bound port. Raises ConfigurationError."""
        address.probe()
        try:
            if self._tls is None:
                port = self._server.add_insecure_port(str(address))
            else:
                credentials = self._tls.make_grpc_credentials()
                port = self._server.add_secure_port(str(address), credentials)
        except RuntimeError as error:
            raise ConfigurationError(f"{address.flag} {address}: {error}") from error
        await self._server.start()
        return port

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, let those under way finish."""
        await self._server.stop(grace_s)


class _Methods(grpc.GenericRpcHandler):
    """The export method of each signal.

    Registered as taking a stream, although it takes one message: only so does the metadata come
    before the message, which is not read, not even decompressed, for a call that is refused.
    """

    def __init__(self, intake: Intake, reader: MessageReader) -> None:
        self._intake = intake
        self._reader = reader
        self._methods = {signal.rpc: self._method(signal) for signal in SIGNALS}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Method | None:
        return self._methods.get(handler_call_details.method)

    def _method(self, signal: Signal) -> Method:
        async def export(_: object, context: Context) -> bytes:
            answer = await self._answer(signal, context)
            if answer.verdict is Verdict.OK:
                return receipt(signal, answer)
            _refuse(context, answer)
            return b""

        return grpc.stream_unary_rpc_method_handler(export)

    async def _answer(self, signal: Signal, context: Context) -> Answer:
        try:
            authorization = _metadata(context, "authorization")
            with self._intake.admission.admit(authorization=authorization) as ticket:
                body = await self._reader.read(context)
                ticket.grow(len(body))
                request = Request(signal, ticket, hops=_metadata(context, HOP_HEADER) or "")
                return await self._intake.take(body, request, timeout_s=context.time_remaining())
        except SpantollError as error:
            return self._intake.refuse(error)


def _metadata(context: Context, wanted: str) -> str | None:
    for name, value in context.invocation_metadata() or ():
        if name == wanted:
            return value if isinstance(value, str) else value.decode("latin-1")
    return None


def _refuse(context: Context, answer: Answer) -> None:
    """Set the status of a call.

    `context.abort` would raise an exception that refers to the call, which refers to the exception:
    both, and what their frames hold, would stay in memory until the garbage collector runs.
    """
    trailers = [("grpc-status-details-bin", status(answer))]
    if answer.verdict is Verdict.RETRY:
        # The Python SDK's exporter reads this one only, the Collector the details above.
        trailers.append(("google.rpc.retryinfo-bin", retry_info(answer)))
    context.set_trailing_metadata(tuple(trailers))
    context.set_details(shorten(answer.message))
    context.set_code(CODES[answer.verdict.code])
