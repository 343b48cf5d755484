"""What only PostgreSQL makes necessary."""

from __future__ import annotations

from sqlalchemy import text

from spantoll.storage import open_store
from tests.support.postgresql import Server
from tests.support.records import record_of_response


def test_the_planner_knows_how_many_records_a_new_ledger_has(postgresql_server: Server) -> None:
    store = open_store(postgresql_server.make_database())

    for _ in range(8):
        records = [record_of_response(f"response-{n}") for n in range(500)]
        store.write(records, settle=lambda group: [])

    known = text("SELECT reltuples FROM pg_class WHERE relname = 'usage_record'")
    with store.engine.connect() as connection:
        assert (connection.scalar(known) or 0) >= 500
    store.close()
