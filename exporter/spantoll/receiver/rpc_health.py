"""The gRPC health checking protocol (grpc.health.v1), beside `/livez` and `/readyz`.

Input: the checks of `Health`. Output: SERVING or NOT_SERVING, for the whole server and for each
OTLP service; `Watch` streams every change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from spantoll.receiver.health import Health, is_ok
from spantoll.receiver.signals import SIGNALS

if TYPE_CHECKING:
    from grpc import aio

__all__ = ["HealthService", "serve_health"]

LOOK_S = 0.5
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def serve_health(server: aio.Server, health: Health) -> None:
    """Register the health of the whole server, "", and of each service by name."""
    health_pb2_grpc.add_HealthServicer_to_server(HealthService(health), server)


class HealthService(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # no types
    """The servicer of grpc.health.v1."""

    def __init__(self, health: Health) -> None:
        self._health = health
        # /opentelemetry.proto.collector.trace.v1.TraceService/Export
        self._services = {"", *(signal.rpc.split("/")[1] for signal in SIGNALS)}

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802  the protocol's name
        """Return the state once; NOT_FOUND for a service this server does not have."""
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service}")
        return health_pb2.HealthCheckResponse(status=await self._status())

    async def Watch(self, request: Any, _: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Report every change, until the receiver shuts down."""
        reported = None
        while True:
            ending = self._health.draining
            known = request.service in self._services
            status = await self._status() if known else SERVICE_UNKNOWN
            if status != reported:
                reported = status
                yield health_pb2.HealthCheckResponse(status=status)
            if ending:
                return
            await asyncio.sleep(LOOK_S)

    async def _status(self) -> Any:
        checks = await self._health.ready()
        return SERVING if all(map(is_ok, checks.values())) else NOT_SERVING
