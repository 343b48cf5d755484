"""The rules of owners in `spantoll.toml` hold while the file has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from spantoll.errors import ConfigurationError
from spantoll.query import Query, run
from spantoll.query.owner_file import OwnerFile
from spantoll.storage import Store, open_store, read_owner_rules
from spantoll.storage.audit_events import list_audit_events
from spantoll.storage.owner_rules import OwnerRule, add_owner_rules
from tests.support.records import NOON_NS, make_record

PAY = '[[owners]]\nkind = "team"\nowner = "payments"\nwhere = "project=pay"\n'
SEARCH = (
    '[[owners]]\nkind = "team"\nowner = "search"\nwhere = "project^=se"\nvalid_from = 2026-01-01\n'
)

Write = Callable[[str], None]


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(open_store("memory:")) as opened:
        opened.write([make_record(project=name) for name in ("pay", "pay", "search")])
        yield opened


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPANTOLL_CONFIG", raising=False)

    def write_file(text: str) -> None:
        (tmp_path / "spantoll.toml").write_text(text)

    return write_file


@pytest.fixture
def owner_file(store: Store, write: Write) -> OwnerFile:
    return OwnerFile(store, clock_ns=lambda: NOON_NS)


def count_by_team(store: Store) -> dict[object, object]:
    rows = run(store.engine, Query(measures=["requests"], dimensions=["owner_team"])).rows
    return {row["owner_team"]: row["requests"] for row in rows}


def test_rules_hold_while_the_file_has_them(
    store: Store, write: Write, owner_file: OwnerFile
) -> None:
    answers = []
    for text in ("", PAY, PAY + SEARCH, SEARCH, PAY):
        write(text)
        owner_file.follow()
        answers.append(count_by_team(store))

    assert answers == [
        {None: 3},
        {"payments": 2, None: 1},
        {"payments": 2, "search": 1},
        {None: 2, "search": 1},
        {"payments": 2, None: 1},
    ]
    events = list_audit_events(store.engine)
    assert {(each.action, each.done_by) for each in events} == {("owners", "spantoll.toml")}


def test_rules_that_were_added_by_hand_stay(
    store: Store, write: Write, owner_file: OwnerFile
) -> None:
    by_hand = OwnerRule("team", "project", "pay", 0, "payments")
    with store.transaction() as connection:
        add_owner_rules(connection, [by_hand], now_ns=NOON_NS)

    write(PAY)
    owner_file.apply()
    write("")
    owner_file.apply()

    assert count_by_team(store) == {"payments": 2, None: 1}


def test_nothing_is_written_where_nothing_has_changed(
    store: Store, write: Write, owner_file: OwnerFile
) -> None:
    write(PAY)

    changed = [owner_file.apply(), owner_file.apply(), OwnerFile(store, clock_ns=int).apply()]

    assert changed == [1, 0, 0]
    with store.engine.connect() as connection:
        assert len(read_owner_rules(connection)) == 1


WRONG = {
    "a kind": (PAY.replace('"team"', '"tem"'), "owner rule 1: unknown kind 'tem'"),
    "a relative day": (PAY + 'valid_from = "today"\n', "'today' is not a day"),
    "two for one": (PAY + PAY.replace("payments", "others"), "overlaps"),
    "no tables": ("owners = 3\n", "must be tables"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_wrong_rules_are_refused_and_the_others_stay(
    store: Store,
    write: Write,
    owner_file: OwnerFile,
    caplog: pytest.LogCaptureFixture,
    text: str,
    message: str,
) -> None:
    write(SEARCH)
    owner_file.apply()
    write(text)

    owner_file.follow()
    owner_file.follow()

    assert count_by_team(store) == {"search": 1, None: 2}
    [logged] = caplog.messages
    assert "stay as they were" in logged
    assert message in logged
    with pytest.raises(ConfigurationError, match=r"spantoll\.toml"):
        OwnerFile(store, clock_ns=lambda: NOON_NS).apply()


def test_without_a_file_the_rules_stay(store: Store, write: Write, owner_file: OwnerFile) -> None:
    write(PAY)
    owner_file.apply()
    Path("spantoll.toml").unlink()

    owner_file.apply()

    assert count_by_team(store) == {"payments": 2, None: 1}
