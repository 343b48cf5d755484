"""Names and numbers that several parts of the ledger have to agree on."""

from __future__ import annotations

from typing import Final

__all__ = ["GRPC_ADDRESS", "GRPC_PORT", "HOP_HEADER", "HTTP_ADDRESS", "HTTP_PORT"]

GRPC_PORT: Final = 4317
HTTP_PORT: Final = 4318
"""https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-default-port"""
GRPC_ADDRESS: Final = f"127.0.0.1:{GRPC_PORT}"
HTTP_ADDRESS: Final = f"127.0.0.1:{HTTP_PORT}"
"""Without tokens nobody but this machine may send."""
HOP_HEADER: Final = "spantoll-hop"
"""HTTP header and gRPC metadata key: the receivers that a request was forwarded by."""
