"""A target of forwarding, checked at start.

Input: a URL of `--forward`. Output: a `Target` of scheme, host, port and path, with the default
ports and path of OTLP. Raises ConfigurationError for a URL that no OTLP receiver can have.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from spantoll.errors import ConfigurationError

__all__ = ["Target"]

FLAG = "--forward"
PORTS = {"http": 4318, "https": 4318, "grpc": 4317, "grpcs": 4317}
PATH = "/v1/traces"


class Target(NamedTuple):
    """An OTLP endpoint that committed requests are sent to."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read http(s)://HOST[:PORT][/PATH], grpc(s)://HOST:PORT or HOST:PORT, which is gRPC.

        Raises ConfigurationError, which quotes no user information.
        """
        try:
            url = urlsplit(text if "://" in text else f"grpc://{text}")
            scheme, host, port = url.scheme, url.hostname, url.port
        except ValueError:
            scheme, host, port = "", None, None
        if scheme not in PORTS or not host or url.username or url.query or url.fragment:
            raise ConfigurationError(
                f"{FLAG}: expected http://HOST:PORT, https://, grpc://, grpcs:// or HOST:PORT, "
                "without user or query"
            )
        path = url.path.rstrip("/")
        if scheme in ("grpc", "grpcs"):
            if path:
                raise ConfigurationError(f"{FLAG} {scheme}://{host}: gRPC has no path")
            return cls(scheme, host, port or PORTS[scheme])
        return cls(scheme, host, port or PORTS[scheme], path or PATH)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """HOST:PORT as URLs and gRPC write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def rpc(self) -> bool:
        """Whether the target is OTLP/gRPC; else it is OTLP/HTTP."""
        return self.scheme in ("grpc", "grpcs")

    def check_elsewhere(self, listened: Iterable[tuple[str, int]]) -> None:
        """Raise ConfigurationError if the target is one of our own (host, port)."""
        our_hosts = [host for host, port in listened if port == self.port]
        if not our_hosts:
            return
        for ip in _resolve(self.host):
            if any(ip in _resolve(host) if host else _is_local(ip) for host in our_hosts):
                raise ConfigurationError(f"{FLAG} {self}: this receiver listens there")


def _resolve(host: str) -> set[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(address[0]) for *_, address in found}


def _is_local(ip: str) -> bool:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((ip, 0))
    except OSError:
        return False
    return True
