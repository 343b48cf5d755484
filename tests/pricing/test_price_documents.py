"""Two versions of a published price document, compared."""

from __future__ import annotations

import json
from decimal import Decimal

from spantoll.pricing.documents import PriceDocument, compare_documents, hold_models, read_document
from spantoll.pricing.litellm import read_litellm_model


def document(**cost_by_model: str) -> PriceDocument:
    raw = {
        model: {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": cost}
        for model, cost in cost_by_model.items()
    }
    return read_document(json.dumps(raw).encode(), version="1", as_of="2026-11-21")


def test_a_model_that_is_new_leaps_from_nothing() -> None:
    before, after = document(old="1e-6"), document(old="1e-3", new="1e-3")

    (leap,) = compare_documents(before, after)

    assert (leap.model, leap.before, leap.after) == ("old", Decimal("1e-6"), Decimal("1e-3"))


def test_a_document_without_leaps_stays_as_it_was_published() -> None:
    before, after = document(old="1e-6"), document(old="2e-6")

    assert hold_models(before, after, set()) is after


def test_an_entry_without_a_provider_has_no_price() -> None:
    entry = {"mode": "chat", "input_cost_per_token": "1e-6"}

    assert list(read_litellm_model("m", entry, day="2026-11-21")) == []
