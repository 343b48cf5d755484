"""The list of environments that a page offers as filters."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from starlette.testclient import TestClient

from spantoll.query import Filter
from spantoll.records import UsageRecord
from spantoll.storage import Store
from spantoll.surfaces.dashboard.environments import KEPT_S, Environments
from tests.surfaces.dashboard.conftest import NOW_NS

Make = Callable[..., UsageRecord]


def read_options(page: str) -> list[tuple[str, str, str]]:
    """Return value, `selected` and name of each option of the list of environments."""
    found = re.search(r"<label>Environment <select.*?</select>", page, re.DOTALL)
    options = re.findall(r'<option value="([^"]*)"( selected)?>([^<]*)<', found[0] if found else "")
    return [(unescape(value), chosen.strip(), name) for value, chosen, name in options]


def test_environments_are_offered_and_the_chosen_one_is_marked(
    client: TestClient, store: Store, record: Make
) -> None:
    store.write(
        [
            *(record(environment="production") for _ in range(2)),
            record(environment="staging"),
            record(environment=None, input_tokens=77),
        ]
    )

    every = client.get("/records?last=7d&where=model%3Dgpt-4o").text
    chosen = client.get("/records?last=7d&where=environment%3Dstaging").text
    several = client.get("/records?where=environment%3Dstaging&where=environment%3Dproduction").text

    assert [name for _, _, name in read_options(every)][:2] == ["all", "production"]
    assert {value for value, _, _ in read_options(every)} == {
        *("", "environment=production", "environment=staging", "environment=")
    }
    assert [name for _, marked, name in read_options(chosen) if marked] == ["staging"]
    assert chosen.count('<a href="/records/') == 1
    assert 'type="hidden" name="where" value="environment' not in chosen
    assert read_options(several) == []
    assert several.count('type="hidden" name="where" value="environment') == 2


def test_one_environment_is_no_choice(client: TestClient, filled: None) -> None:
    assert read_options(client.get("/").text) == []


def test_a_limited_key_is_offered_its_own_environments_and_they_are_kept_for_a_minute(
    store: Store, record: Make
) -> None:
    clock_s = [0.0]
    environments = Environments(lambda: clock_s[0])
    store.write(
        [
            record(environment="a", customer_id="acme"),
            record(environment="b", customer_id="globex"),
        ]
    )
    visible = [Filter("customer_id", ("acme",))]

    own = environments.fetch(store.engine, visible, now_ns=NOW_NS)
    store.write([record(environment="c", customer_id="acme") for _ in range(2)])
    kept = environments.fetch(store.engine, visible, now_ns=NOW_NS)
    clock_s[0] = KEPT_S
    later = environments.fetch(store.engine, visible, now_ns=NOW_NS)

    assert own == kept == ("a",)
    assert later == ("c", "a")
    assert set(environments.fetch(store.engine, (), now_ns=NOW_NS)) == {"a", "b", "c"}
