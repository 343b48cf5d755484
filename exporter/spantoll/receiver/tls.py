"""TLS of both transports, with files that are read again when they change.

In: the files of a certificate, its key and the authority of clients. Out: an `SSLContext` for HTTP
and credentials for gRPC; each handshake uses the files as they are then. Files that cannot be read
then leave the last ones in use. Clients need a certificate of that authority, if there is one.
"""

from __future__ import annotations

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc

from spantoll.errors import ConfigurationError

__all__ = ["HANDSHAKE_S", "Tls", "TlsFiles"]

log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
"""How long a client may take for a handshake."""

State = tuple[tuple[int, int, int], ...]
"""Of each file: inode, time of the last change in nanoseconds, size in bytes."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files, and the flags that name them."""

    certificate: Path
    """With the certificates between it and a root, if any."""
    key: Path
    client_ca: Path | None = None
    """Who must have signed the certificate of a client; None asks clients for none."""

    def list_files(self) -> list[tuple[str, Path]]:
        """Return the files that there are, with the flag of each."""
        named = [("--tls-cert", self.certificate), ("--tls-key", self.key)]
        return [*named, ("--tls-client-ca", self.client_ca)] if self.client_ca else named


class Tls:
    """What both transports present and ask for. Raises ConfigurationError naming a wrong file."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._tried = self._read_state()
        self._current = self._load()
        self._offered = self._current
        self.context = self._make_outer()

    def make_grpc_credentials(self) -> grpc.ServerCredentials:
        """Make credentials that follow the files."""
        return grpc.dynamic_ssl_server_credentials(
            _configure_grpc(self._files),
            self._fetch_grpc,  # type: ignore[arg-type]  # None is documented, not in the stubs
            require_client_authentication=self._files.client_ca is not None,
        )

    def _make_outer(self) -> ssl.SSLContext:
        """Make the context that listens, which takes that of the files at every handshake."""
        context = _load_context(self._files)

        def choose(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
            connection.context = self._find_current()

        context.sni_callback = choose  # also called for a client that names no server
        return context

    def _find_current(self) -> ssl.SSLContext:
        """Return the context of the files, loaded again where they have changed."""
        with self._lock:
            state = self._read_state()
            if state != self._tried:
                self._tried = state
                try:
                    self._current = self._load()
                    log.info("TLS files have changed and were loaded again")
                except ConfigurationError as error:
                    log.warning("%s; the last ones stay in use", error)
            return self._current

    def _fetch_grpc(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what gRPC presents from now on; None where nothing has changed."""
        current = self._find_current()
        if current is self._offered:
            return None
        configuration = _configure_grpc(self._files)
        self._offered = current
        return configuration

    def _load(self) -> ssl.SSLContext:
        return _load_context(self._files)

    def _read_state(self) -> State:
        states = []
        for _, path in self._files.list_files():
            try:
                found = path.stat()
            except OSError:
                states.append((0, 0, 0))
            else:
                states.append((found.st_ino, found.st_mtime_ns, found.st_size))
        return tuple(states)


def _load_context(files: TlsFiles) -> ssl.SSLContext:
    for flag, path in files.list_files():
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{flag} {path}: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certificate, files.key, password=_refuse_password)
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, ValueError) as error:
        names = " and ".join(f"{flag} {path}" for flag, path in files.list_files())
        raise ConfigurationError(f"{names}: no certificate with its key: {error}") from None
    return context


def _refuse_password() -> str:
    """Refuse a key with a password: OpenSSL would ask for it on the terminal."""
    raise ValueError("the key has a password")


def _configure_grpc(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    pair = (files.key.read_bytes(), files.certificate.read_bytes())
    authority = files.client_ca.read_bytes() if files.client_ca is not None else None
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=authority)
