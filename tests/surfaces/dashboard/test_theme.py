"""Colours of the pages: chosen by a form, kept in a cookie, without a script."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from spantoll.surfaces.dashboard.render import THEME


@pytest.mark.parametrize(("theme", "scheme"), [("dark", "dark"), ("light", "light")])
def test_a_theme_is_kept_for_the_pages_that_follow(
    client: TestClient, filled: None, theme: str, scheme: str
) -> None:
    answer = client.get(f"/theme?theme={theme}&next=/health%3Ftz%3DUTC", follow_redirects=False)
    page = client.get("/models").text

    assert (answer.status_code, answer.headers["location"]) == (303, "/health?tz=UTC")
    assert f'data-theme="{theme}"' in page
    assert f'name="color-scheme" content="{scheme}"' in page


@pytest.mark.parametrize("cookie", [None, "purple", "system"])
def test_without_a_choice_pages_follow_the_system(client: TestClient, cookie: str | None) -> None:
    if cookie is not None:
        client.cookies.set(THEME, cookie)

    page = client.get("/models").text

    assert 'data-theme="system"' in page
    assert 'name="color-scheme" content="light dark"' in page


@pytest.mark.parametrize("address", ["https://evil.example", "//evil.example"])
def test_a_choice_leads_to_no_other_host(client: TestClient, address: str) -> None:
    query = {"theme": "dark", "next": address}

    answer = client.get("/theme", params=query, follow_redirects=False)

    assert answer.headers["location"] == "/"


def test_a_theme_that_is_none_is_refused(client: TestClient) -> None:
    assert client.get("/theme?theme=purple").status_code == 422
