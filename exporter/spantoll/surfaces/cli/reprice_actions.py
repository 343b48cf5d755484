"""What the commands of `spantoll reprice` do with a ledger.

Input: an open ledger and who works on it. Output: a run, of which one line on stderr says what it
did; a progress bar on stderr where that is a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.pipeline.reprice_preview import Preview
from spantoll.pipeline.reprice_run import (
    preview_repricing,
    reprice_records,
    resume_run,
    undo_run,
)
from spantoll.pipeline.user_pricing import load_user_card
from spantoll.storage import SqlStore, Store
from spantoll.storage.reprice import RunState, Selection, count_selected, list_runs
from spantoll.surfaces.cli.ledger import Opened, now_ns, user_name
from spantoll.surfaces.cli.output import write_notice
from spantoll.surfaces.cli.reprice_report import describe_run

__all__ = ["Repricing", "find_sql_store"]


class Repricing:
    """Re-pricing of one ledger; what a command says about it is written here."""

    def __init__(self, ledger: Opened, *, by: str | None = None) -> None:
        self._store = find_sql_store(ledger.store)
        self._by = by or user_name()
        self._end_id = 0
        self._selected = 0

    def preview(self, selection: Selection, *, tz: ZoneInfo) -> Preview:
        """Add up what pricing the selected records again changes."""
        self._selected, self._end_id = count_selected(self._store.engine, selection)
        with _progress("Comparing", self._selected) as report:
            return preview_repricing(
                self._store,
                load_user_card(self._store.engine),
                selection,
                end_id=self._end_id,
                tz=tz,
                now_ns=now_ns(),
                report=report,
            )

    def confirm(self, preview: Preview) -> bool:
        """Ask on the terminal. Raises ConfigurationError where nobody can answer."""
        if not sys.stdin.isatty():
            raise ConfigurationError("nothing is changed without --yes where stdin is no terminal")
        print(f"Change {preview.changed:,} records? [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def apply(self, selection: Selection) -> None:
        """Change the records, as a run that can be undone."""
        with self._say_how_to_go_on(), _progress("Re-pricing", self._selected) as report:
            run = reprice_records(
                self._store,
                load_user_card(self._store.engine),
                selection,
                end_id=self._end_id,
                by=self._by,
                now_ns=now_ns(),
                report=report,
            )
        write_notice(f"{describe_run(run)} `spantoll reprice undo {run.run_id}` restores it.")

    def undo(self, run_id: int) -> None:
        """Restore what a run changed."""
        with self._say_how_to_go_on(), _progress("Undoing", self._changed_by(run_id)) as report:
            run = undo_run(self._store, run_id, by=self._by, now_ns=now_ns(), report=report)
        write_notice(describe_run(run))

    def resume(self, run_id: int) -> None:
        """Go on with a run."""
        with self._say_how_to_go_on(), _progress("Going on", None) as report:
            run = resume_run(
                self._store,
                load_user_card(self._store.engine),
                run_id,
                by=self._by,
                now_ns=now_ns(),
                report=report,
            )
        write_notice(describe_run(run))

    def _changed_by(self, run_id: int) -> int | None:
        runs = {run.run_id: run for run in list_runs(self._store.engine)}
        return runs[run_id].changed if run_id in runs else None

    @contextmanager
    def _say_how_to_go_on(self) -> Iterator[None]:
        try:
            yield
        except (StoreUnavailable, DBAPIError, KeyboardInterrupt):
            for run in list_runs(self._store.engine):
                if run.state in (RunState.RUNNING, RunState.UNDOING):
                    write_notice(f"Interrupted: `spantoll reprice resume {run.run_id}` goes on.")
            raise


def find_sql_store(store: Store) -> SqlStore:
    """Return the ledger as one whose records can be changed. Raises ConfigurationError."""
    if not isinstance(store, SqlStore):
        raise ConfigurationError(f"records of {store.url} cannot be priced again")
    return store


@contextmanager
def _progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr while records are read; nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, advance=done)
