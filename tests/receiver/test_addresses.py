from __future__ import annotations

import socket

import pytest

from spantoll.errors import ConfigurationError
from spantoll.receiver.address import Address


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("127.0.0.1:4317", "127.0.0.1", 4317, "127.0.0.1:4317"),
        ("localhost:0", "localhost", 0, "localhost:0"),
        ("[::1]:4318", "::1", 4318, "[::1]:4318"),
        (":4318", "", 4318, "[::]:4318"),
        ("[::]:4318", "", 4318, "[::]:4318"),
    ],
    ids=str,
)
def test_an_address_is_host_and_port(text: str, host: str, port: int, shown: str) -> None:
    address = Address.parse(text, flag="--http")

    assert (address.host, address.port, str(address)) == (host, port, shown)


@pytest.mark.parametrize("text", ["4318", "host", "host:", "host:http", "host:65536", "host:-1"])
def test_what_is_no_address_is_refused_naming_the_flag(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^--http {text}: expected HOST:PORT"):
        Address.parse(text, flag="--http")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", ""])
def test_all_sockets_of_an_address_have_one_port(host: str) -> None:
    sockets = Address(host, 0, "--http").listen()

    ports = {sock.getsockname()[1] for sock in sockets}
    for sock in sockets:
        sock.close()
    assert len(ports) == 1


def test_a_port_in_use_is_not_shared() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1], "--grpc")

        with pytest.raises(ConfigurationError, match=r"^--grpc 127.0.0.1:.* in use"):
            address.probe()


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "no.such.host.invalid"], ids=["not-ours", "unresolvable"]
)
def test_a_host_that_is_not_this_machine_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^--grpc {host}:4317: "):
        Address(host, 4317, "--grpc").probe()
