"""Where a receiver listens, which callers it accepts, and how many processes it has.

In: what the settings or an embedding application say. Out: a frozen `ReceiverConfig`, or
ConfigurationError naming the flag, before anything listens.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from spantoll.defaults import GRPC_ADDRESS, HTTP_ADDRESS
from spantoll.errors import ConfigurationError
from spantoll.receiver.address import Address
from spantoll.receiver.limits import Limits
from spantoll.receiver.tls import TlsFiles
from spantoll.receiver.tokens import Tokens

__all__ = ["ReceiverConfig"]


@dataclass(frozen=True, slots=True)
class ReceiverConfig:
    """What is decided about a receiver before it starts."""

    grpc: str | None = GRPC_ADDRESS
    """HOST:PORT of OTLP over gRPC; None does not listen."""
    http: str | None = HTTP_ADDRESS
    """HOST:PORT of OTLP over HTTP; None does not listen."""
    limits: Limits = field(default_factory=Limits)
    tokens: Tokens = field(default_factory=Tokens)
    """Without any, everybody who can connect may send."""
    insecure: bool = False
    """Listen beyond this machine without tokens."""
    tls: TlsFiles | None = None
    """What both transports present; None is in the clear."""
    workers: int | None = 1
    """Processes that decode and price; with 1, the receiver's own does. None: as many as the cores
    are worth, started when there is work for them."""
    grace_s: float = 20.0
    """How long a stopping receiver finishes what is under way: below the 30 s that Kubernetes and
    Docker Compose users tend to grant."""

    @property
    def grpc_address(self) -> Address | None:
        """The address of gRPC. Raises ConfigurationError."""
        return Address.parse(self.grpc, flag="--grpc") if self.grpc else None

    @property
    def http_address(self) -> Address | None:
        """The address of HTTP. Raises ConfigurationError."""
        return Address.parse(self.http, flag="--http") if self.http else None

    @property
    def checks_clients(self) -> bool:
        """Whether only clients with a certificate can connect."""
        return self.tls is not None and self.tls.client_ca is not None

    def check(self) -> None:
        """Raise ConfigurationError for an address that is in use or must not be listened on.

        And for several workers where the system cannot pass a socket on to a process (Windows).
        """
        if (self.workers or 1) > 1 and not hasattr(socket, "AF_UNIX"):
            raise ConfigurationError(f"--workers {self.workers}: this system takes 1")
        for address in (self.grpc_address, self.http_address):
            if address is not None:
                if not (self.tokens or self.insecure or self.checks_clients):
                    address.check_private()
                address.probe()
