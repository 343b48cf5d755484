"""Every query that Grafana is given runs on every database, and answers what it says."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from spantoll.storage import Store
from spantoll.surfaces.grafana import ALERTS, PANELS, VARIABLES, fill_query, list_values
from tests.support.records import make_record

NOW_MS = 1_795_176_000_000
WHO = {"provider": "openai", "model": "gpt-4o", "customer_id": "acme"}


def substitute(query: str) -> str:
    """Put in what Grafana puts in: a day, an hour for each bar, and every value there is."""
    values = {"${__from}": str(NOW_MS - 86_400_000), "${__to}": str(NOW_MS), "$bucket": "3600"}
    for name in VARIABLES:
        values[f"${{{name}:sqlstring}}"] = f"'','{WHO.get(name, 'x')}'"
    for name, value in values.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


def run(engine: Engine, query: str) -> list[Any]:
    kind = "mariadb" if engine.dialect.name == "mysql" else engine.dialect.name
    with engine.connect() as connection:
        plain = connection.execution_options(no_parameters=True)
        return list(plain.exec_driver_sql(substitute(fill_query(query, kind))).all())


@pytest.fixture
def filled(store: Store) -> Engine:
    """Two priced calls, a partial one, one without a price, an hour before now; one days before."""
    hour_ago = (NOW_MS - 3_600_000) * 1_000_000
    usual: dict[str, Any] = {**WHO, "duration_ns": 2_000_000_000}
    store.write(
        [
            make_record(started_ns=hour_ago, cost_nano=1_500_000_000, **usual),
            make_record(started_ns=hour_ago, cost_nano=500_000_000, status="error", **usual),
            make_record(started_ns=hour_ago, pricing_status="partial", cost_nano=0, **usual),
            make_record(started_ns=hour_ago, pricing_status="unpriced", **usual),
            make_record(started_ns=hour_ago - 10 * 86_400 * 10**9, cost_nano=7, **usual),
        ]
    )
    return store.engine


EXPECTED: dict[str, list[list[Any]]] = {
    "Cost": [[2.0]],
    "Calls": [[4]],
    "Calls without a whole price": [[2]],
    "Errors and timeouts": [[0.25]],
    "Cost by model": [[1_795_172_400, "gpt-4o", 2.0]],
    "Calls by provider": [[1_795_172_400, "openai", 4]],
    "Mean latency by model": [[1_795_172_400, "gpt-4o", 2_000.0]],
    "Customers by cost": [["acme", 4, 2.0, None, 2]],
    "What has no whole price": [
        ["openai", "gpt-4o", "partial", None, 1],
        ["openai", "gpt-4o", "unpriced", None, 1],
    ],
}


def test_every_panel_answers_on_every_database(filled: Engine) -> None:
    answers = {panel.title: run(filled, panel.query) for panel in PANELS}

    found = {
        title: [
            [each if isinstance(each, (str, type(None))) else float(each) for each in row]
            for row in sorted(rows, key=str)
        ]
        for title, rows in answers.items()
    }
    assert found == EXPECTED


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.uid)
def test_every_alert_is_one_number_on_every_database(filled: Engine, alert: Any) -> None:
    ((value,),) = run(filled, alert.query)

    assert float(value) >= 0


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_lists_its_values(filled: Engine, name: str) -> None:
    found = run(filled, list_values(name))

    assert [tuple(row) for row in found] == [(WHO.get(name, ""),)]
