from __future__ import annotations

import time

import pytest

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.storage import KeyRing, Store, list_keys, make_key, revoke_key

NOW_NS = 1_795_262_400_000_000_000
PATIENCE_S = 60.0


def test_a_key_is_found_by_its_secret_until_it_is_revoked(store: Store) -> None:
    secret = make_key(store, "ci", scopes=["write", "read"], now_ns=NOW_NS)
    other = make_key(store, "shop", scopes=["read"], customer_id="acme", now_ns=NOW_NS)
    keys = KeyRing()
    keys.load(store.engine)

    found = keys.find(secret)
    revoked = revoke_key(store, found.id if found else 0, now_ns=NOW_NS + 1)
    keys.load(store.engine)

    assert found is not None
    assert (found.name, found.scopes, found.customer_id) == ("ci", ("read", "write"), None)
    assert revoked
    assert keys.find(secret) is None
    assert [each.customer_id for each in [keys.find(other)] if each] == ["acme"]
    assert [each.revoked_ns for each in list_keys(store.engine)] == [NOW_NS + 1, None]


def test_a_key_is_revoked_once(store: Store) -> None:
    make_key(store, "ci", scopes=["read"], now_ns=NOW_NS)
    (key,) = list_keys(store.engine)

    first, again = (revoke_key(store, key.id, now_ns=NOW_NS + i) for i in (1, 2))

    assert (first, again, revoke_key(store, 99, now_ns=NOW_NS)) == (True, False, False)
    assert list_keys(store.engine)[0].revoked_ns == NOW_NS + 1


def test_a_ring_that_follows_learns_of_new_keys(store: Store) -> None:
    keys = KeyRing()
    keys.follow(store.engine)
    secret = make_key(store, "ci", scopes=["read"], now_ns=NOW_NS)

    deadline = time.monotonic() + PATIENCE_S
    while keys.find(secret) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    keys.close()

    assert keys.find(secret) is not None


def test_keys_stay_valid_while_the_database_is_away(store: Store) -> None:
    secret = make_key(store, "ci", scopes=["read"], now_ns=NOW_NS)
    keys = KeyRing()
    keys.load(store.engine)

    with store.transaction() as connection:
        is_clickhouse = connection.dialect.name == "clickhousedb"
        rename = "RENAME TABLE access_key" if is_clickhouse else "ALTER TABLE access_key RENAME"
        connection.exec_driver_sql(f"{rename} TO gone")
    with pytest.raises(StoreUnavailable):
        keys.load(store.engine)

    assert keys.find(secret) is not None


@pytest.mark.parametrize(
    ("scopes", "limit"),
    [([], {}), (["all"], {}), (["ingest"], {"customer_id": "a"}), (["admin"], {"tenant_id": "a"})],
)
def test_a_key_without_sense_is_refused(
    store: Store, scopes: list[str], limit: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError):
        make_key(store, "x", scopes=scopes, now_ns=NOW_NS, **limit)

    assert list_keys(store.engine) == []


@pytest.mark.parametrize(
    ("scopes", "required"),
    [((), False), ((["read"],), False), ((["admin"],), True), ((["read"], ["ingest"]), True)],
)
def test_senders_need_a_key_where_one_that_sends_was_made(
    store: Store, scopes: tuple[list[str], ...], required: bool
) -> None:
    for each in scopes:
        make_key(store, "x", scopes=each, now_ns=NOW_NS)
    keys = KeyRing()

    keys.load(store.engine)

    assert (keys.requires("ingest"), keys.requires()) == (required, bool(scopes))
