from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from sqlalchemy import make_url

from spantoll.errors import ConfigurationError
from spantoll.storage import open_store
from spantoll.surfaces.grafana import PANELS, write_provisioning
from tests.surfaces.conftest import Cli


def test_grafana_is_given_a_source_a_dashboard_and_alerts(
    spantoll: Cli, database: str, tmp_path: Path
) -> None:
    open_store(database).close()

    result = spantoll("grafana", "export", str(tmp_path / "out"))

    assert result.status == 0, result.err
    files = [Path(line) for line in result.out.splitlines()]
    source, provider, alerts = (yaml.safe_load(path.read_text()) for path in files[:3])
    dashboard = json.loads(files[3].read_text())
    assert source["datasources"][0]["jsonData"]["path"] == str(tmp_path / "usage.db")
    assert provider["providers"][0]["options"]["path"] == "/var/lib/grafana/dashboards"
    assert len(alerts["groups"][0]["rules"]) == 3
    assert [panel["title"] for panel in dashboard["panels"]] == [each.title for each in PANELS]


def test_panels_do_not_overlap(tmp_path: Path) -> None:
    files = write_provisioning(tmp_path, make_url("sqlite:///x.db"), dashboards="d")

    places = [panel["gridPos"] for panel in json.loads(files[3].read_text())["panels"]]

    cells = [
        (x, y)
        for each in places
        for x in range(each["x"], each["x"] + each["w"])
        for y in range(each["y"], each["y"] + each["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("url", ["postgresql://ann:secret@db/usage", "mariadb://ann:secret@db/u"])
def test_no_password_is_written(tmp_path: Path, url: str) -> None:
    files = write_provisioning(tmp_path, make_url(url), dashboards="d")

    assert not [path for path in files if "secret" in path.read_text()]
    assert "$SPANTOLL_GRAFANA_PASSWORD" in files[0].read_text()


def test_a_database_without_a_data_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no data source"):
        write_provisioning(tmp_path, make_url("sqlite://"), dashboards="d")
