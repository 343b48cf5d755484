"""What only PostgreSQL makes necessary."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from spantoll.storage import open_store
from spantoll.storage.postgresql import PostgresqlStore
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


@pytest.mark.parametrize("statement", ["children", "stream_events", "root_events", "root_requests"])
def test_the_partial_index_of_parents_serves_what_looks_for_them(
    postgresql_ledger: str, statement: str
) -> None:
    asked = getattr(PostgresqlStore.groups.statements, statement).params(
        tenant="t", traces=[b"x" * 16], spans=[b"y" * 8]
    )
    store = open_store(postgresql_ledger)
    assert isinstance(store, PostgresqlStore)

    with store.transaction() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE IF NOT EXISTS settling (id bigint)"))
        compiled = asked.compile(connection, compile_kwargs={"literal_binds": True})
        # The planner prefers a sequential scan of so small a table; here the index is to be used.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.exec_driver_sql(f"EXPLAIN {compiled}").scalars().all()
    store.close()

    # By tenant and trace alone it would read a whole trace.
    assert any("ix_usage_record_parent" in step for step in plan)
