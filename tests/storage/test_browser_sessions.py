from __future__ import annotations

import pytest
from sqlalchemy import func, select

from spantoll.storage import (
    Store,
    begin_session,
    browser_sessions,
    end_session,
    find_session,
    list_keys,
    make_key,
    revoke_key,
)
from spantoll.storage.browser_sessions import LIFETIME_S, browser_session

NOW_NS = 1_795_262_400_000_000_000
LIFETIME_NS = LIFETIME_S * 10**9


@pytest.fixture
def key_id(store: Store) -> int:
    make_key(store, "team", scopes=["read"], now_ns=NOW_NS)
    return list_keys(store.engine)[-1].id


def count_sessions(store: Store) -> int:
    with store.engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(browser_session)) or 0)


def test_a_session_is_found_by_its_secret_until_it_ends(store: Store, key_id: int) -> None:
    secret = begin_session(store, key_id, now_ns=NOW_NS)
    other = begin_session(store, key_id, now_ns=NOW_NS + 1)

    found = find_session(store.engine, secret)
    end_session(store, secret)
    end_session(store, secret)

    assert found is not None
    assert (found.key_id, found.created_ns) == (key_id, NOW_NS)
    assert found.expires_ns == NOW_NS + LIFETIME_NS
    assert secret.encode() not in found.digest
    assert find_session(store.engine, secret) is None
    assert find_session(store.engine, other) is not None


def test_expired_sessions_are_deleted_when_one_begins(store: Store, key_id: int) -> None:
    expired = begin_session(store, key_id, now_ns=NOW_NS)
    valid = begin_session(store, key_id, now_ns=NOW_NS + 1)

    begin_session(store, key_id, now_ns=NOW_NS + LIFETIME_NS)

    assert find_session(store.engine, expired) is None
    assert find_session(store.engine, valid) is not None


def test_sessions_of_a_revoked_key_are_deleted_when_one_begins(store: Store, key_id: int) -> None:
    revoked = begin_session(store, key_id, now_ns=NOW_NS)
    revoke_key(store, key_id, now_ns=NOW_NS + 1)

    begin_session(store, key_id + 1, now_ns=NOW_NS + 2)

    assert find_session(store.engine, revoked) is None
    assert count_sessions(store) == 1


def test_the_oldest_session_of_a_key_ends_where_one_too_many_begins(
    store: Store, key_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_sessions, "MAX_SESSIONS", 2)
    begin_session(store, key_id + 1, now_ns=NOW_NS)

    secrets = [begin_session(store, key_id, now_ns=NOW_NS + index) for index in range(4)]

    known = [find_session(store.engine, secret) is not None for secret in secrets]
    assert known == [False, False, True, True]
    assert count_sessions(store) == 3
