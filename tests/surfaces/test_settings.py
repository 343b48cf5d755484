from __future__ import annotations

from pathlib import Path

import pytest

from spantoll.errors import ConfigurationError
from spantoll.settings import Settings, list_origins, load_settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SPANTOLL_{name.upper()}", raising=False)
    monkeypatch.delenv("SPANTOLL_CONFIG", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def test_the_ledger_lies_in_the_users_data_directory(tmp_path: Path) -> None:
    assert load_settings().database == f"{tmp_path}/data/spantoll/usage.db"


def test_the_home_directory_stands_in_for_xdg(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert load_settings().database == f"{tmp_path}/.local/share/spantoll/usage.db"


def test_flags_win_over_environment_over_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "spantoll.toml").write_text('grpc = "h:1"\nhttp = "h:1"\ntz = "Asia/Tokyo"\n')
    monkeypatch.setenv("SPANTOLL_GRPC", "h:2")
    monkeypatch.setenv("SPANTOLL_HTTP", "h:2")

    settings = load_settings(grpc="h:3", http=None)

    assert (settings.grpc, settings.http, settings.tz) == ("h:3", "h:2", "Asia/Tokyo")


def test_the_file_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("grace_s = 1.5\n")
    monkeypatch.setenv("SPANTOLL_CONFIG", str(tmp_path / "other.toml"))

    assert load_settings().grace_s == 1.5


@pytest.mark.parametrize("off", ["off", "OFF", "none", ""])
def test_a_listener_can_be_off(monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    monkeypatch.setenv("SPANTOLL_GRPC", off)

    assert load_settings().grpc is None


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        pytest.param('databse = "x"', "did you mean 'database'", id="unknown-key"),
        pytest.param('databse = "x"', "in spantoll.toml", id="unknown-key-names-the-file"),
        pytest.param('grace_s = "soon"', "grace_s", id="not-a-number"),
        pytest.param("max_body_bytes = 0", "max_body_bytes", id="out-of-range"),
        pytest.param("workers = 0", "workers", id="no-process"),
        pytest.param('tz = "Berlin"', "Europe/Berlin", id="no-zone"),
        pytest.param('retention = "12h"', "a day or longer", id="less-than-a-day"),
        pytest.param("grace_s = [", "spantoll.toml", id="no-toml"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, toml: str, message: str) -> None:
    (tmp_path / "spantoll.toml").write_text(toml)

    with pytest.raises(ConfigurationError, match=message) as caught:
        load_settings()

    assert "\n" not in str(caught.value)


def test_a_variable_spelled_wrong_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANTOLL_DATBASE", "x")

    with pytest.raises(ConfigurationError, match="did you mean SPANTOLL_DATABASE"):
        load_settings()


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANTOLL_PORT", "tcp://10.0.0.1:4317")
    monkeypatch.setenv("SPANTOLL_SERVICE_HOST", "10.0.0.1")

    assert load_settings().grpc == "127.0.0.1:4317"


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANTOLL_CONFIG", "missing.toml")

    with pytest.raises(ConfigurationError, match=r"SPANTOLL_CONFIG: no file missing\.toml"):
        load_settings()


def test_a_setting_names_the_line_of_the_file_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "spantoll.toml").write_text('# zones\n\ntz = "Asia/Tokyo"\n"grace_s" = 1.5\n')

    origins = list_origins(load_settings())

    assert origins["tz"] == "spantoll.toml, line 3"
    assert origins["grace_s"] == "spantoll.toml"
    assert origins["http"] == "default"
