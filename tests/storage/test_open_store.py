from __future__ import annotations

from pathlib import Path

import pytest

from spantoll.errors import ConfigurationError
from spantoll.storage import Store, open_store
from tests.storage.conftest import make_record, rows


@pytest.mark.parametrize(
    "spelled",
    [
        pytest.param("sqlite:///{0}/ledger.db", id="absolute-url"),
        pytest.param("sqlite+pysqlite:///{0}/ledger.db", id="with-driver"),
        pytest.param("{0}/ledger.db", id="absolute-path"),
        pytest.param("sqlite:///ledger.db", id="relative-url"),
        pytest.param("ledger.db", id="relative-path"),
        pytest.param("./ledger.db", id="dotted-path"),
        pytest.param("sqlite:///~/ledger.db", id="home-url"),
        pytest.param("~/ledger.db", id="home-path"),
    ],
)
def test_a_url_or_path_names_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    store = open_store(spelled.format(tmp_path))
    monkeypatch.chdir("/")
    store.write([make_record()])

    assert store.url == f"sqlite:///{tmp_path}/ledger.db"
    assert (tmp_path / "ledger.db").exists()
    store.close()


@pytest.mark.parametrize("name", ["with blank.db", "ünï.db", "100%.db", "a?b.db", "a#b.db"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    record = make_record()

    store = open_store(str(tmp_path / name))
    store.write([record])

    assert (tmp_path / name).exists()
    assert rows(store) == [record]
    store.close()


@pytest.mark.parametrize("spelled", ["memory:", "sqlite://", "sqlite:///:memory:"])
def test_memory_is_a_ledger_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = open_store(spelled), open_store(spelled)

    one.write([make_record()])

    assert (len(rows(one)), len(rows(other))) == (1, 0)
    assert one.url == "memory:"
    assert list(tmp_path.iterdir()) == []
    one.close()
    other.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mongodb://localhost/x", "unknown scheme 'mongodb'"),
        ("http://localhost", "sqlite:///relative/path.db"),
        ("", "database is empty"),
        ("sqlite:///x.db?timout=5", "unknown database option 'timout'; one of: timeout"),
        ("sqlite:///x.db?timeout=soon", "not a number of seconds"),
        ("://", "the database is not a URL"),
    ],
)
def test_a_wrong_url_is_a_wrong_setting(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        open_store(url)

    assert says in str(wrong.value)


def test_a_driver_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from spantoll.storage import open as opening

    monkeypatch.setitem(opening.MODULES, "sqlite", "spantoll_has_no_such_module")

    with pytest.raises(ConfigurationError, match=r"pip install 'spantoll\[exporter\]'"):
        open_store("sqlite:///x.db")


def test_a_password_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as wrong:
        open_store("oracle://scott:tiger@localhost/x")

    assert "tiger" not in str(wrong.value)


def test_the_store_for_tests_is_a_store() -> None:
    store: Store = open_store("memory:")

    store.ping()
    store.close()
