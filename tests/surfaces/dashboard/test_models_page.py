"""The page /models: filters of the price list, and which price a model string gets."""

from __future__ import annotations

import re

import pytest

from tests.surfaces.dashboard.conftest import Get


def read_rows(page: str) -> list[list[str]]:
    body = re.search(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    assert body
    return [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)
    ]


def test_models_are_filtered_by_price_and_operation(get: Get) -> None:
    rows = read_rows(get("/models?provider=openai&operation=embeddings&most=0.05"))

    names = {row[1] for row in rows}
    assert "text-embedding-3-small" in names
    assert "text-embedding-3-large" not in names
    assert {row[2] for row in rows} == {"embeddings"}
    assert all(float(row[4]) <= 0.05 for row in rows)


def test_a_provider_as_spans_name_it_has_the_models_of_its_price_list(get: Get) -> None:
    page = get("/models?provider=mistral_ai")

    assert "<option selected>mistral</option>" in page
    assert {row[0] for row in read_rows(page)} == {"mistral"}


def test_models_are_filtered_by_what_they_take_beyond_text(get: Get) -> None:
    names = {row[1] for row in read_rows(get("/models?provider=openai&modality=audio"))}

    assert any("audio" in name or "realtime" in name for name in names)
    assert "gpt-4o-mini" not in names


def test_a_price_that_is_no_number_is_said_on_the_page(get: Get) -> None:
    assert "is not a price in USD" in get("/models?most=cheap")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o-2024-08-06", "openai gpt-4o"),
        ("no-such-model-9", "No price: unknown_provider."),
    ],
)
def test_a_model_string_shows_the_price_row_it_gets_or_why_none(
    get: Get, model: str, expected: str
) -> None:
    page = get(f"/models?test={model}")

    tested = re.search(r'id="tested".*?</div>', page, re.DOTALL)
    assert tested
    assert expected in re.sub("<[^>]*>", "", tested[0])


def test_prices_of_a_model_over_time_are_a_chart(get: Get) -> None:
    page = get("/models/openai/gpt-4o")

    bars = re.findall(r"<title>([^:]*): ([\d.]+) USD</title>", page)
    rows = [(row[0], row[3]) for row in read_rows(page) if row[2] == "input"]
    assert bars == rows
    assert len({price for _, price in bars}) > 1  # the demo has a price change
