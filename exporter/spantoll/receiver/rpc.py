from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import grpc
from grpc import aio

from spantoll.errors import ConfigurationError, Unauthenticated
from spantoll.receiver.address import Address
from spantoll.receiver.answer import Answer, Overloaded, Verdict, retry_info, shorten, status
from spantoll.receiver.health import Health
from spantoll.receiver.intake import HOP, Intake
from spantoll.receiver.limits import Limits
from spantoll.receiver.rpc_health import serve_health
from spantoll.receiver.signals import SIGNALS, Signal, receipt

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

    def __init__(self, intake: Intake, health: Health, *, limits: Limits) -> None:
        self._server = aio.server(handlers=[_Methods(intake)], options=options(limits))
        serve_health(self._server, health)

    async def start(self, address: Address) -> int:
        """Listen; answers with the bound port. Raises ConfigurationError."""
        address.probe()
        try:
            port = self._server.add_insecure_port(str(address))
        except RuntimeError as error:
            raise ConfigurationError(f"{address.flag} {address}: {error}") from error
        await self._server.start()
        return port

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, let those under way finish."""
        await self._server.stop(grace_s)


class _Methods(grpc.GenericRpcHandler):
    def __init__(self, intake: Intake) -> None:
        self._methods = {signal.rpc: _method(signal, intake) for signal in SIGNALS}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Method | None:
        return self._methods.get(handler_call_details.method)


def _method(signal: Signal, intake: Intake) -> Method:
    async def export(body: bytes, context: Context) -> bytes:
        try:
            ticket = intake.admission.admit(len(body), _metadata(context, "authorization"))
        except (Overloaded, Unauthenticated) as error:
            await _abort(context, intake.refuse(error))
        with ticket:
            timeout_s = context.time_remaining()
            hops = _metadata(context, HOP) or ""
            answer = await intake.take(
                body, signal=signal, ticket=ticket, timeout_s=timeout_s, hops=hops
            )
        if answer.verdict is not Verdict.OK:
            await _abort(context, answer)
        return receipt(signal, answer)

    return grpc.unary_unary_rpc_method_handler(export)


def _metadata(context: Context, wanted: str) -> str | None:
    for name, value in context.invocation_metadata() or ():
        if name == wanted:
            return value if isinstance(value, str) else value.decode("latin-1")
    return None


async def _abort(context: Context, answer: Answer) -> NoReturn:
    trailers = [("grpc-status-details-bin", status(answer))]
    if answer.verdict is Verdict.RETRY:
        # The Python SDK's exporter reads this one only, the Collector the details above.
        trailers.append(("google.rpc.retryinfo-bin", retry_info(answer)))
    await context.abort(CODES[answer.verdict.code], shorten(answer.message), tuple(trailers))
