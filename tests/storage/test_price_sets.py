"""Price sets in every database: kept as they were published, the last chosen of a source bills."""

from __future__ import annotations

import json

from spantoll.pricing.documents import PriceDocument, read_document
from spantoll.storage import Store
from spantoll.storage.price_sets import (
    choose_price_set,
    find_current_sets,
    list_price_sets,
    read_price_documents,
)


def document(usd: str) -> PriceDocument:
    models = {
        f"acme/m{i}": {"litellm_provider": "acme", "input_cost_per_token": i, "note": usd}
        for i in range(1, 2_001)
    }
    content = json.dumps(models).encode()
    return read_document(content, version="2026-11-21", as_of="2026-11-21")


def test_a_document_comes_back_byte_for_byte(store: Store) -> None:
    given = document("1")._replace(held=(("litellm", "acme/größe"),))

    is_new = choose_price_set(store, given, location="prices.json", now_ns=1)

    assert is_new
    assert read_price_documents(store.engine, list_price_sets(store.engine)) == [given]


def test_the_set_that_was_chosen_last_is_current(store: Store) -> None:
    one, other = document("1"), document("2")
    for now_ns, each in enumerate([one, other, one], 1):
        choose_price_set(store, each, location="prices.json", now_ns=now_ns)

    assert [each.sha256 for each in find_current_sets(store.engine)] == [one.sha256]
    assert [(each.added_ns, each.chosen_ns) for each in list_price_sets(store.engine)] == [
        (1, 3),
        (2, 2),
    ]
