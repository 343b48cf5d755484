"""TLS of both transports: who can connect, and files that change while the receiver runs."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
import trustme

from spantoll.errors import ConfigurationError
from spantoll.pipeline import make_settle
from spantoll.pricing import RateCard
from spantoll.receiver import Receiver
from spantoll.receiver.tls import Tls, TlsFiles
from spantoll.storage import Store
from tests.receiver.conftest import EXPORT, Export, Running, local

HOST = "127.0.0.1"
PATIENCE_S = 20


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> TlsFiles:
    """A certificate for this machine, and no authority of clients."""
    found = TlsFiles(tmp_path / "server.crt", tmp_path / "server.key")
    replace_certificate(found, authority)
    return found


def replace_certificate(files: TlsFiles, authority: trustme.CA) -> None:
    issued = authority.issue_cert(HOST)
    files.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(files.key)


@pytest.fixture
def serve(store: Store, rate_card: RateCard) -> Iterator[Callable[[TlsFiles], Running]]:
    started: list[Running] = []

    def start(files: TlsFiles) -> Running:
        config = local(tls=files)
        started.append(Running(Receiver(store, rate_card, config, settle=make_settle(rate_card))))
        return started[-1]

    yield start
    for running in started:
        running.stop()


Client = trustme.LeafCert | None


def ask_http(running: Running, authority: trustme.CA, client: Client = None) -> int:
    """Return the status of a health check. Raises OSError where no connection is made."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if client is not None:
        client.configure_cert(context)
    connection = http.client.HTTPSConnection(
        HOST, running.http_port, context=context, timeout=PATIENCE_S
    )
    with contextlib.closing(connection):
        connection.request("GET", "/livez")
        return connection.getresponse().status


def ask_grpc(running: Running, authority: trustme.CA, client: Client = None) -> grpc.StatusCode:
    """Return the status of an export of nothing."""
    credentials = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(),
        client.private_key_pem.bytes() if client else None,
        client.cert_chain_pems[0].bytes() if client else None,
    )
    with grpc.secure_channel(f"{HOST}:{running.grpc_port}", credentials) as channel:
        export: Export = channel.unary_unary(EXPORT)
        try:
            export(b"", timeout=PATIENCE_S)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
        return grpc.StatusCode.OK


def read_certificates(running: Running) -> list[str]:
    """Return the certificates that both transports present."""
    ports = (running.http_port, running.grpc_port)
    return [ssl.get_server_certificate((HOST, port), timeout=PATIENCE_S) for port in ports]


def test_both_transports_answer_over_tls_only(
    serve: Callable[[TlsFiles], Running], files: TlsFiles, authority: trustme.CA
) -> None:
    running = serve(files)

    assert ask_http(running, authority) == 200
    assert ask_grpc(running, authority) is grpc.StatusCode.OK
    with pytest.raises((OSError, http.client.HTTPException)):
        running.http(b"")


def test_a_client_that_does_not_trust_the_authority_does_not_send(
    serve: Callable[[TlsFiles], Running], files: TlsFiles
) -> None:
    running = serve(files)

    with pytest.raises(ssl.SSLCertVerificationError):
        ask_http(running, trustme.CA())


@pytest.fixture
def mutual(files: TlsFiles, tmp_path: Path, authority: trustme.CA) -> TlsFiles:
    client_ca = tmp_path / "clients.crt"
    authority.cert_pem.write_to_path(client_ca)
    return TlsFiles(files.certificate, files.key, client_ca)


def is_refused(running: Running, authority: trustme.CA, client: Client) -> bool:
    with pytest.raises((OSError, http.client.HTTPException)):
        ask_http(running, authority, client)
    return ask_grpc(running, authority, client) is grpc.StatusCode.UNAVAILABLE


def test_only_clients_with_a_certificate_of_the_authority_connect(
    serve: Callable[[TlsFiles], Running], mutual: TlsFiles, authority: trustme.CA
) -> None:
    running = serve(mutual)
    known, foreign = authority.issue_cert("client"), trustme.CA().issue_cert("client")

    assert ask_http(running, authority, known) == 200
    assert ask_grpc(running, authority, known) is grpc.StatusCode.OK
    assert is_refused(running, authority, None)
    assert is_refused(running, authority, foreign)


def test_a_certificate_that_was_renewed_is_presented_at_once(
    serve: Callable[[TlsFiles], Running], files: TlsFiles, authority: trustme.CA
) -> None:
    running = serve(files)
    before = read_certificates(running)

    replace_certificate(files, authority)
    after = read_certificates(running)

    assert len({*before, *after}) == 2
    assert before[0] == before[1] != after[0] == after[1]


def test_files_that_cannot_be_used_leave_the_last_ones(
    serve: Callable[[TlsFiles], Running],
    files: TlsFiles,
    authority: trustme.CA,
    caplog: pytest.LogCaptureFixture,
) -> None:
    running = serve(files)
    before = read_certificates(running)

    files.certificate.write_text("half a certificate")
    during = read_certificates(running)
    replace_certificate(files, authority)

    assert during == before
    assert "the last ones stay in use" in caplog.text
    assert before[0] not in read_certificates(running)


def test_an_authority_that_was_replaced_is_trusted_no_longer(
    serve: Callable[[TlsFiles], Running], mutual: TlsFiles, authority: trustme.CA
) -> None:
    running = serve(mutual)
    old, successor = authority.issue_cert("client"), trustme.CA()
    assert ask_http(running, authority, old) == 200

    assert mutual.client_ca is not None
    successor.cert_pem.write_to_path(mutual.client_ca)

    assert ask_http(running, authority, successor.issue_cert("client")) == 200
    assert is_refused(running, authority, old)


@pytest.mark.parametrize("name", ["certificate", "key"])
@pytest.mark.parametrize("content", [None, "no PEM"], ids=["missing", "unreadable"])
def test_a_wrong_file_is_named_at_start(files: TlsFiles, name: str, content: str | None) -> None:
    path: Path = getattr(files, name)
    path.unlink() if content is None else path.write_text(content)

    with pytest.raises(ConfigurationError, match=path.name):
        Tls(files)


def test_the_key_of_another_certificate_is_refused(files: TlsFiles, authority: trustme.CA) -> None:
    authority.issue_cert(HOST).private_key_pem.write_to_path(files.key)

    with pytest.raises(ConfigurationError, match="no certificate with its key"):
        Tls(files)


def test_a_client_with_a_certificate_needs_no_token(mutual: TlsFiles) -> None:
    everywhere = {"grpc": "0.0.0.0:0", "http": None}

    local(**everywhere, tls=mutual).check()
    with pytest.raises(ConfigurationError, match="anybody"):
        local(**everywhere, tls=TlsFiles(mutual.certificate, mutual.key)).check()
