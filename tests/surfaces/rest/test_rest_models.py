from __future__ import annotations

from decimal import Decimal

import pytest
from starlette.testclient import TestClient

from tests.surfaces.rest.conftest import API


def test_models_are_filtered_and_paged(client: TestClient) -> None:
    whole = client.get(f"{API}/models?provider=openai&name=gpt-4o").json()["models"]

    found, address = [], f"{API}/models?provider=openai&name=gpt-4o&limit=3"
    while address:
        response = client.get(address)
        found += response.json()["models"]
        address = response.links.get("next", {}).get("url", "")

    assert found == whole
    assert {"gpt-4o", "gpt-4o-mini"} <= {each["model"] for each in whole}


@pytest.mark.parametrize(("provider", "listed"), [("mistral_ai", "mistral"), ("nobody", None)])
def test_models_are_those_of_the_price_list_of_a_provider(
    client: TestClient, provider: str, listed: str | None
) -> None:
    models = client.get(f"{API}/models?provider={provider}").json()["models"]

    assert {model["provider"] for model in models} == ({listed} if listed else set())


def test_providers_count_their_models(client: TestClient) -> None:
    providers = client.get(f"{API}/providers").json()["providers"]

    models = client.get(f"{API}/models?provider=groq&limit=1000").json()["models"]
    counted = {each["provider"]: each["models"] for each in providers}
    assert counted["groq"] == len(models) > 0


def test_a_model_has_its_price_history(client: TestClient) -> None:
    answer = client.get(f"{API}/models/openai/gpt-4o").json()

    latest = [each for each in answer["prices"] if each["valid_to"] is None]
    amounts = {each["metric"]: Decimal(each["amount_usd"]) for each in latest}
    assert (amounts["input"], amounts["output"]) == (Decimal("2.5"), Decimal(10))


def test_a_model_without_a_price_is_not_found(client: TestClient) -> None:
    assert client.get(f"{API}/models/openai/gpt-0").status_code == 404


def test_a_call_is_estimated_at_the_price_it_would_be_billed_by(client: TestClient) -> None:
    call = {
        "provider": "openai",
        "model": "gpt-4o",
        "usage": {"input_tokens": 1_000_000, "output_tokens": 0},
    }

    answer = client.post(f"{API}/estimate", json=call).json()

    assert (answer["cost_usd"], answer["status"]) == ("2.5", "exact")


def test_quantities_of_an_estimate_are_exact(client: TestClient) -> None:
    call = (
        '{"provider": "openai", "model": "whisper-1", "usage": {"units": {"audio_seconds": 0.1}}}'
    )

    answer = client.post(
        f"{API}/estimate", content=call, headers={"Content-Type": "application/json"}
    ).json()

    assert Decimal(answer["cost_usd"]) == Decimal("0.00001")


def test_an_estimate_that_cannot_be_read_says_why(client: TestClient) -> None:
    call = {"model": "gpt-4o", "usage": {"input_tokens": "many"}}

    response = client.post(f"{API}/estimate", json=call)

    assert response.status_code == 422
    assert "input_tokens" in response.json()["errors"][0]["message"]
