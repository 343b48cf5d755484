"""The checks of `spantoll doctor` of what a ledger is set to do beside receiving.

Input: an open ledger and the settings. Output: findings about promoted attributes, retention, runs
of re-pricing that are not finished, and the version of SQLite.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sqlalchemy import Engine

from spantoll.pipeline.promote import list_unpromoted
from spantoll.query.run import reading
from spantoll.settings import Settings
from spantoll.storage import Store
from spantoll.storage.promoted_names import parse_promoted
from spantoll.storage.reprice import RunState, list_unfinished_runs
from spantoll.storage.retention import name_mark, read_deleted_before
from spantoll.storage.roll_up_fill import list_gaps
from spantoll.surfaces.cli.finding import Finding

__all__ = ["check_deleted", "check_promoted", "check_runs", "check_sqlite"]

WAL_RESET_FIXED = (3, 51, 3)
WAL_RESET_FIXED_TOO = {(3, 44): 6, (3, 50): 7}
"""Older releases of SQLite that have the fix -> since which patch."""


def check_deleted(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """Say before which day records are deleted, and whether roll-ups answer for the time before."""
    with reading(engine) as connection:
        mark_ns = read_deleted_before(connection)
        lost = [gap for gap in list_gaps(connection) if gap.start_ns < mark_ns] if mark_ns else []
    kept = f"; the setting keeps {settings.retention}" if settings.retention else ""
    if lost:
        text = f"records before {name_mark(mark_ns)} are deleted{kept}; days before "
        advice = "restore a backup of that time; answers name what they lack"
        yield Finding("problem", "ledger", f"{text}have no valid roll-ups", advice)
    elif mark_ns:
        text = f"records before {name_mark(mark_ns)} are deleted{kept}; roll-ups answer for them"
        yield Finding("ok", "ledger", f"{text}, sums by what docs/querying.md lists")
    elif kept:
        yield Finding("ok", "ledger", f"no records are deleted yet{kept}")


def check_promoted(store: Store, settings: Settings) -> Iterator[Finding]:
    """Name the attributes that are to be promoted, and are not yet. Raises StoreUnavailable."""
    missing = list_unpromoted(store, parse_promoted(settings.promoted_attributes))
    if missing:
        yield Finding(
            "warning",
            "ledger",
            f"not promoted, so that answers by them read every record: {', '.join(missing)}",
            "`spantoll db promote`, beside a running receiver",
        )


def check_runs(engine: Engine) -> Iterator[Finding]:
    """Name the runs of re-pricing that are not finished: only some of their records are changed."""
    with reading(engine) as connection:
        unfinished = list_unfinished_runs(connection)
    for run in unfinished:
        what = "priced again" if run.state is RunState.RUNNING else "undone"
        yield Finding(
            "warning",
            "ledger",
            f"run {run.run_id} of re-pricing is {run.state}: not all its records are {what}",
            f"`spantoll reprice resume {run.run_id}`, unless it is under way",
        )


def check_sqlite(engine: Engine) -> Iterator[Finding]:
    """Name SQLite's WAL-reset bug where its version has it: https://sqlite.org/wal.html#walresetbug.

    It takes one connection that commits while another checkpoints for the second time.
    """
    if engine.dialect.name != "sqlite" or not _has_wal_reset_bug(sqlite3.sqlite_version_info):
        return
    yield Finding(
        "warning",
        "ledger",
        f"SQLite {sqlite3.sqlite_version} has the WAL-reset bug: two programs that write to a file "
        "at the same time can, very rarely, damage it",
        "while `spantoll up` runs, write by its dashboard or REST API rather than by commands; "
        "fixed in SQLite 3.51.3",
    )


def _has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    release, patch = version[:2], version[2]
    if release in WAL_RESET_FIXED_TOO:
        return patch < WAL_RESET_FIXED_TOO[release]
    return version < WAL_RESET_FIXED
