"""Read files of OTLP requests into a ledger.

Input: paths, or stdin. Output: stored records, and lines that sum up what was stored and what was
not. Records are written in groups, so that the commit does not count.
"""

from __future__ import annotations

import io
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from zlib import error as ZlibError  # noqa: N812  it is an exception

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from spantoll.errors import BadRequest, RecordRejected
from spantoll.otlp import holds_logs
from spantoll.pipeline import Ingest, Ledger
from spantoll.pricing import Rate
from spantoll.records import UsageRecord
from spantoll.surfaces.cli.requests import read_requests

__all__ = ["FileIntake"]

STDIN = "-"
GROUP = 5_000
"""Records of one transaction: enough that the commit does not count."""


class FileIntake:
    """Reads files of requests into a ledger and counts what became of the spans and log records."""

    def __init__(self, ingest: Ingest, ledger: Ledger) -> None:
        self.stored = self.duplicates = self.skipped = 0
        self.rejected: Counter[str] = Counter()
        self.unreadable: list[str] = []
        """Files, or lines of files, that are no requests; each with the reason."""
        self._ingest = ingest
        self._ledger = ledger
        self._records: list[UsageRecord] = []
        self._rates: dict[int, Rate] = {}

    def read(self, files: Sequence[Path]) -> None:
        """Read every file, showing progress at a terminal. Raises StoreUnavailable."""
        with Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        ) as progress:
            total = sum(path.stat().st_size for path in files if path.is_file())
            task = progress.add_task("reading", total=total or None)
            for path in files:
                progress.update(task, description=path.name)
                for size in self._read_file(path):
                    progress.advance(task, size)
        self._flush()

    def summary(self) -> Iterator[str]:
        """Return lines: how many records were stored, skipped, rejected; what was not read."""
        yield (
            f"{_format_count(self.stored, 'record')} stored, {self.duplicates:,} already there, "
            f"{self.skipped:,} not of model calls, "
            f"{self.rejected.total():,} rejected."
        )
        for reason, count in self.rejected.most_common():
            yield f"  rejected {count:,}: {reason}"
        for complaint in self.unreadable:
            yield f"  not read: {complaint}"

    def _read_file(self, path: Path) -> Iterator[int]:
        """Read one file, yielding how many bytes each request had."""
        place = "stdin" if str(path) == STDIN else str(path)
        try:
            with _open_file(path) as stream:
                for request in read_requests(stream):
                    where = place if request.line is None else f"{place}:{request.line}"
                    self._read_request(request.body, request.content_type, where)
                    yield len(request.body)
        except OSError as error:
            self.unreadable.append(f"{place}: {error.strerror or error}")
        except (EOFError, ZlibError) as error:
            self.unreadable.append(f"{place}: {error}")

    def _read_request(self, body: bytes, content_type: str, where: str) -> None:
        logs = holds_logs(body, content_type=content_type)
        read = self._ingest.logs if logs else self._ingest.traces
        try:
            batch = read(
                body, received_ns=time.time_ns(), content_type=content_type, source="import"
            )
        except BadRequest as error:
            self.unreadable.append(f"{where}: {error}")
            return
        self.skipped += batch.skipped
        for refusal in batch.rejected:
            self.rejected[refusal.reason] += refusal.spans
        self._records += batch.records
        self._rates.update((rate.rate_id, rate) for rate in batch.rates)
        if len(self._records) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        records, self._records = self._records, []
        try:
            written = self._ledger.write(records, rates=self._rates.values())
        except RecordRejected as error:
            self.rejected[str(error)] += len(error.indexes)
            self.stored += len(records) - len(error.indexes)
        else:
            self.stored += written.inserted
            self.duplicates += written.duplicates


def _open_file(path: Path) -> io.BufferedReader:
    return path.open("rb") if str(path) != STDIN else open(sys.stdin.fileno(), "rb", closefd=False)


def _format_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
