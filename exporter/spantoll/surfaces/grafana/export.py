"""What Grafana reads at its start: the data source, the dashboard and alert rules as files.

Input: the URL of a ledger. Output: the files of a folder `provisioning`, as Grafana's documentation
describes it, and the dashboard. A password is left to a variable of Grafana's environment.
https://grafana.com/docs/grafana/latest/administration/provisioning/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL

from spantoll.errors import ConfigurationError
from spantoll.surfaces.grafana.queries import (
    ALERTS,
    BUCKETS,
    PANELS,
    VARIABLES,
    Alert,
    Panel,
    fill_query,
    list_values,
)

__all__ = ["KINDS", "write_provisioning"]

UID = "spantoll"
SCHEMA_VERSION = 41
"""Of the dashboard's JSON: Grafana 11 and newer read it."""
WIDTHS = {"stat": 6, "timeseries": 12, "table": 12}
HEIGHTS = {"stat": 4, "timeseries": 8, "table": 8}
COLUMNS = 24
PORTS = {"postgresql": 5432, "mariadb": 3306}


class Kind(NamedTuple):
    """How Grafana reaches a kind of database."""

    plugin: str
    time_series: Mapping[str, Any]
    """Members of a query whose rows are a time series."""
    table: Mapping[str, Any]


KINDS: Mapping[str, Kind] = {
    "sqlite": Kind(
        "frser-sqlite-datasource",
        {"queryType": "time series", "timeColumns": ["time"]},
        {"queryType": "table", "timeColumns": []},
    ),
    "postgresql": Kind(
        "grafana-postgresql-datasource", {"format": "time_series"}, {"format": "table"}
    ),
    "mariadb": Kind("mysql", {"format": "time_series"}, {"format": "table"}),
}


def write_provisioning(directory: Path, url: URL, *, dashboards: str) -> list[Path]:
    """Write the files and return their paths; `dashboards` is where Grafana finds the dashboard.

    Raises ConfigurationError for a database that Grafana cannot be given, or a folder that cannot
    be written.
    """
    kind = "mariadb" if url.get_backend_name() in ("mysql", "mariadb") else url.get_backend_name()
    if kind not in KINDS or (kind == "sqlite" and not url.database):
        raise ConfigurationError(f"Grafana has no data source for {url.render_as_string()}")
    files: Mapping[str, Any] = {
        "provisioning/datasources/spantoll.yaml": make_data_source(url, kind),
        "provisioning/dashboards/spantoll.yaml": make_provider(dashboards),
        "provisioning/alerting/spantoll.yaml": make_alerts(kind),
        "dashboards/spantoll.json": make_dashboard(kind),
    }
    written = []
    try:
        for name, content in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # JSON is YAML too
            path.write_text(json.dumps(content, indent=2) + "\n")
            written.append(path)
    except OSError as error:
        raise ConfigurationError(f"{directory}: {error.strerror}") from None
    return written


def make_data_source(url: URL, kind: str) -> dict[str, Any]:
    """Make the data source, which reads only as far as its user may."""
    source: dict[str, Any] = {
        "name": "SpanToll",
        "uid": UID,
        "type": KINDS[kind].plugin,
        "access": "proxy",
    }
    if kind == "sqlite":
        source["jsonData"] = {"path": str(Path(url.database or "").resolve())}
    else:
        source |= {
            "url": f"{url.host or 'localhost'}:{url.port or PORTS[kind]}",
            "user": url.username or "",
            "jsonData": {"database": url.database or ""},
            "secureJsonData": {"password": "$SPANTOLL_GRAFANA_PASSWORD"},
        }
        if kind == "postgresql":
            source["jsonData"]["sslmode"] = url.query.get("sslmode", "prefer")
    return {"apiVersion": 1, "datasources": [source]}


def make_provider(dashboards: str) -> dict[str, Any]:
    """Make the file that says where the dashboard is."""
    options = {"path": dashboards}
    provider = {"name": "SpanToll", "type": "file", "folder": "SpanToll", "options": options}
    return {"apiVersion": 1, "providers": [provider]}


def make_dashboard(kind: str) -> dict[str, Any]:
    """Make the dashboard."""
    return {
        "uid": UID,
        "title": "SpanToll",
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "time": {"from": "now-7d", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [*map(_make_variable, VARIABLES), _make_bucket()]},
        "panels": list(_place_panels(kind)),
    }


def make_alerts(kind: str) -> dict[str, Any]:
    """Make the alert rules, which Grafana evaluates every five minutes."""
    group = {
        "orgId": 1,
        "name": "SpanToll",
        "folder": "SpanToll",
        "interval": "5m",
        "rules": [_make_rule(alert, kind) for alert in ALERTS],
    }
    return {"apiVersion": 1, "groups": [group]}


def _make_variable(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": {"uid": UID},
        "query": list_values(name),
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }


def _make_bucket() -> dict[str, Any]:
    return {
        "name": "bucket",
        "label": "seconds of a bar",
        "type": "custom",
        "query": ",".join(BUCKETS),
        "current": {"text": BUCKETS[1], "value": BUCKETS[1]},
    }


def _place_panels(kind: str) -> Iterator[dict[str, Any]]:
    """Lay the panels out in rows, left to right."""
    x = y = row_height = 0
    for number, panel in enumerate(PANELS, 1):
        width, height = WIDTHS[panel.kind], HEIGHTS[panel.kind]
        if x + width > COLUMNS:
            x, y = 0, y + row_height
        row_height = height
        yield _make_panel(number, panel, kind) | {
            "gridPos": {"x": x, "y": y, "w": width, "h": height}
        }
        x += width


def _make_panel(number: int, panel: Panel, kind: str) -> dict[str, Any]:
    return {
        "id": number,
        "title": panel.title,
        "description": panel.description,
        "type": panel.kind,
        "datasource": {"type": KINDS[kind].plugin, "uid": UID},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [_make_target(panel.query, kind, time_series=panel.kind == "timeseries")],
    }


def _make_target(query: str, kind: str, *, time_series: bool) -> dict[str, Any]:
    members = KINDS[kind].time_series if time_series else KINDS[kind].table
    return {
        "refId": "A",
        "datasource": {"type": KINDS[kind].plugin, "uid": UID},
        "rawSql": query,
        "rawQueryText": query,
        "queryText": query,
        "rawQuery": True,
        "editorMode": "code",
        **members,
    }


def _make_rule(alert: Alert, kind: str) -> dict[str, Any]:
    query = fill_query(alert.query, kind)
    return {
        "uid": alert.uid,
        "title": alert.title,
        "condition": "B",
        "for": "5m",
        "noDataState": "OK",
        "execErrState": "Error",
        "annotations": {"summary": alert.reason},
        "data": [
            {
                "refId": "A",
                "datasourceUid": UID,
                "relativeTimeRange": {"from": 600, "to": 0},
                "model": _make_target(query, kind, time_series=False),
            },
            {
                "refId": "B",
                "datasourceUid": "__expr__",
                "model": {
                    "refId": "B",
                    "type": "threshold",
                    "expression": "A",
                    "conditions": [{"evaluator": {"type": "gt", "params": [alert.above]}}],
                },
            },
        ],
    }
