"""The addresses that the receiver listens on.

In: HOST:PORT as an operator writes it. Out: listening sockets, or ConfigurationError with the flag.
"""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address
from typing import NamedTuple

from spantoll.errors import ConfigurationError

__all__ = ["Address"]

NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""A name such as localhost may resolve to an IPv6 address on a machine without IPv6."""


class Address(NamedTuple):
    """HOST:PORT to listen on, and the flag that said so, for messages."""

    host: str
    """Empty for all interfaces."""
    port: int
    flag: str

    @classmethod
    def parse(cls, text: str, *, flag: str) -> Address:
        """Read HOST:PORT, [IPV6]:PORT or :PORT (all interfaces). Raises ConfigurationError."""
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
            raise ConfigurationError(f"{flag} {text}: expected HOST:PORT, e.g. 127.0.0.1:4317")
        return cls("" if host == "::" else host, int(port), flag)

    def __str__(self) -> str:
        host = self.host or "::"
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def listen(self) -> list[socket.socket]:
        """Listen on every address of the host, on one port. Raises ConfigurationError."""
        sockets: list[socket.socket] = []
        port = self.port
        try:
            for family, where in self._resolve():
                try:
                    sock = _listen(family, (where[0], port, *where[2:]))
                except OSError as error:
                    if error.errno not in NOT_HERE:
                        raise
                else:
                    sockets.append(sock)
                    port = sock.getsockname()[1]
        except OSError as error:
            for sock in sockets:
                sock.close()
            raise ConfigurationError(self._complaint(error)) from error
        if not sockets:
            raise ConfigurationError(f"{self.flag} {self}: no such address on this machine")
        return sockets

    def is_private(self) -> bool:
        """Return whether nobody beyond this machine can reach the address."""
        try:
            found = [ip_address(where[0]) for _, where in self._resolve()]
        except (OSError, ValueError):
            # What cannot be resolved cannot be listened on, which `probe` says better.
            return True
        return all(address.is_loopback for address in found)

    def check_private(self) -> None:
        """Raise ConfigurationError if others than this machine can reach the address."""
        if not self.is_private():
            raise ConfigurationError(
                f"{self.flag} {self}: anybody who reaches this address could write to the ledger; "
                "make a key (`spantoll keys make`), set SPANTOLL_TOKENS or --token-file, "
                "or say --insecure"
            )

    def probe(self) -> None:
        """Raise ConfigurationError unless the address could be listened on."""
        for sock in self.listen():
            sock.close()

    def _resolve(self) -> list[tuple[int, tuple[str | bytes | int, ...]]]:
        found = socket.getaddrinfo(
            self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        unique: dict[tuple[int, tuple[str | bytes | int, ...]], None] = {}
        for family, _, _, _, where in found:
            unique[family, where] = None
        return list(unique)

    def _complaint(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return f"{self.flag} {self}: the port is in use, choose another with {self.flag}"
        return f"{self.flag} {self}: {error.strerror or error}"


def _listen(family: int, where: tuple[str | bytes | int, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)
        # Until one of them listens, two sockets can be bound to the same port.
        sock.listen(2_048)
    except OSError:
        sock.close()
        raise
    return sock
