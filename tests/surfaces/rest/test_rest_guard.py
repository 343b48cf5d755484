from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.surfaces.rest.conftest import API


@pytest.mark.parametrize("host", ["127.0.0.1:4318", "localhost", "[::1]:4318", "LOCALHOST:80"])
def test_names_of_this_machine_are_served(client: TestClient, host: str) -> None:
    assert client.get(f"{API}/providers", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil@127.0.0.1.x", "[", ""]
)
def test_other_names_are_refused(client: TestClient, host: str) -> None:
    assert client.get(f"{API}/providers", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_origin_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post(f"{API}/estimate", headers=headers).status_code == 403


def test_the_servers_own_pages_are_served(client: TestClient) -> None:
    headers = {"Origin": "http://127.0.0.1:4318", "Sec-Fetch-Site": "same-origin"}

    assert client.get(f"{API}/providers", headers=headers).status_code == 200
