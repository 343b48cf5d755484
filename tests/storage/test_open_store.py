from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from spantoll.errors import ConfigurationError, NoLedger
from spantoll.storage import Store, hide_password, open_store, registry
from tests.storage.conftest import rows
from tests.support.records import make_record


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
        (
            "http://localhost",
            "begins with clickhouse:// or mariadb:// or mysql:// or postgresql:// or sqlite://",
        ),
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
    missing = EntryPoint("sqlite", "spantoll_has_no_such_module:open_url", registry.GROUP)
    monkeypatch.setattr(registry, "BUILT_IN", (missing,))

    with pytest.raises(ConfigurationError, match=r"pip install 'spantoll\[exporter\]'"):
        open_store("sqlite:///x.db")


def test_a_password_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as wrong:
        open_store("oracle://scott:tiger@localhost/x")

    assert "tiger" not in str(wrong.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("memory:", "memory:"),
        ("/data/usage.db", "/data/usage.db"),
        ("sqlite:////data/usage.db", "sqlite:////data/usage.db"),
        ("postgresql://ann:secret@db/usage", "postgresql://ann:***@db/usage"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert hide_password(url) == shown


def test_a_ledger_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NoLedger, match=r"no ledger at .*usage\.db"):
        open_store(f"sqlite:///{tmp_path}/usage.db", create=False)

    assert list(tmp_path.iterdir()) == []


BACKEND_OF_ANOTHER_PACKAGE = """
from spantoll.storage import open_store

def open_url(url, *, create):
    return open_store(url.database, create=create)
"""


def test_another_package_brings_a_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "otherdb_store.py").write_text(BACKEND_OF_ANOTHER_PACKAGE)
    metadata = tmp_path / "otherdb-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: otherdb\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[spantoll_stores]\notherdb = otherdb_store:open_url"
    )
    monkeypatch.syspath_prepend(tmp_path)

    store = open_store(f"otherdb:///{tmp_path}/usage.db")

    assert store.write([make_record()]).inserted == 1
    assert (tmp_path / "usage.db").exists()
    store.close()
    sys.modules.pop("otherdb_store")


def test_the_store_for_tests_is_a_store() -> None:
    store: Store = open_store("memory:")

    store.ping()
    store.close()
