"""An agent's span and what is below it end the same in any order of arrival, on every store."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest

from spantoll.pipeline import make_settle
from spantoll.pricing import load_rate_card
from spantoll.records import UsageRecord
from spantoll.storage import Store
from tests.pipeline.calls import call, keyed, used
from tests.storage.conftest import rows

AGENT = call("a", 0, 10, role="aggregate", counted=False, provider="openai", **used(100, 10))
SILENT = call("b", 1, 2, under="a", provider="openai")
SILENT_TOO = call("c", 3, 4, under="a", provider="openai")
LOST = call("b", 1, 2, under="gone", provider="openai")
WITH_USAGE = call("d", 5, 6, under="a", provider="openai", **used(100, 10))
INNER = call("i", 4, 7, under="a", role="aggregate", counted=False, **used(100, 10))

SCENES = {
    "a call without usage, and one with": (AGENT, SILENT, WITH_USAGE),
    "one without whose parent is not recorded": (AGENT, LOST, WITH_USAGE),
    "one with usage whose parent is not recorded": (
        AGENT,
        SILENT,
        WITH_USAGE._replace(parent_span_id=b"gone...."),
    ),
    "two without": (AGENT, SILENT, SILENT_TOO, WITH_USAGE),
    "two without, one with its parent": (AGENT, LOST, SILENT_TOO, WITH_USAGE),
    "an agent of another agent": (
        AGENT,
        SILENT,
        INNER,
        WITH_USAGE._replace(parent_span_id=INNER.span_id),
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_order_of_arrival_does_not_change_what_is_billed(store: Store, scene: str) -> None:
    settle = make_settle(load_rate_card())
    spans = SCENES[scene]
    store.write(in_ledger("at once", spans), settle=settle)

    orders = list(permutations(spans))
    ledgers = [in_ledger(str(number), order) for number, order in enumerate(orders)]
    for arrived in zip(*ledgers, strict=True):
        store.write(arrived, settle=settle)

    at_once = describe(store, "at once")
    assert sum(row.input_tokens or 0 for row in at_once.values() if row.counted) == 100
    for number, order in enumerate(orders):
        assert describe(store, str(number)) == at_once, [span.span_id for span in order]


def in_ledger(tenant: str, spans: Sequence[UsageRecord]) -> list[UsageRecord]:
    """Tenants are never connected, so that of one store each is a ledger of its own."""
    return [keyed(span._replace(tenant_id=tenant)) for span in spans]


def describe(store: Store, tenant: str) -> dict[bytes, UsageRecord]:
    """Return what became of each span, but for what each ledger has of its own."""
    return {
        row.span_id: row._replace(tenant_id="", usage_key=None, priced_ns=None)
        for row in rows(store)
        if row.tenant_id == tenant
    }
