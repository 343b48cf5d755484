"""Previews and runs of re-pricing as tables, JSON and CSV.

Input: a `Preview` or `Run`s. Output: lines on stdout, old and new costs beside each other; JSON and
CSV have exact dollars, tables are rounded as elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spantoll.pipeline.reprice_preview import Difference, Preview
from spantoll.query import to_usd
from spantoll.query.windows import find_zone, to_local_time
from spantoll.storage.reprice import Run, RunState, Selection
from spantoll.surfaces.cli.options import Format
from spantoll.surfaces.cli.output import (
    format_dollars,
    format_number,
    write_csv,
    write_json,
    write_line,
    write_notice,
    write_table,
)
from spantoll.surfaces.repricing import (
    PREVIEW_HEADERS,
    RUN_HEADERS,
    list_groups,
    plain_difference,
    plain_preview,
    plain_run,
    read_costs,
    read_revenue,
)

__all__ = ["describe_run", "write_preview", "write_runs"]

SHOWN = 10
"""Customers and days with the largest differences; JSON has all."""


def write_preview(preview: Preview, *, format: Format) -> None:
    """Write what a re-pricing would change."""
    match format:
        case Format.json:
            write_json(plain_preview(preview))
        case Format.csv:
            write_csv(("by", "name", *PREVIEW_HEADERS), _all_rows(preview))
        case Format.table:
            _print_preview(preview)


def _print_preview(preview: Preview) -> None:
    """Write the tables of a preview, the largest differences first."""
    changed = preview.changed
    write_line(f"{preview.examined:,} records looked at, {changed:,} would change.")
    if not changed:
        return
    if preview.total.records:
        for title, named in list_groups(preview).items():
            rows = sorted(named.items(), key=lambda item: -_size(item[1]))
            shown = rows if title == "model" else rows[:SHOWN]
            write_line()
            total = ["total", *_cells(preview.total)]
            write_table(
                [title, *PREVIEW_HEADERS],
                ([name, *_cells(each)] for name, each in shown),
                numeric=PREVIEW_HEADERS,
                total=total,
            )
            if len(shown) < len(rows):
                write_line(f"{len(shown)} of {len(rows)}, the largest; --format json has all.")
    for line in _remarks(preview):
        write_line(line)


def describe_run(run: Run) -> str:
    """Say in one line what a run did."""
    if run.state is RunState.UNDONE:
        kept = f", {run.kept:,} have changed since and are left as they are" if run.kept else ""
        return f"Run {run.run_id} is undone: {run.changed - run.kept:,} records restored{kept}."
    old, new = read_costs(run)
    return (
        f"Run {run.run_id}: {run.changed:,} of {run.examined:,} records changed, "
        f"{old.format()} became {new.format()}."
    )


def write_runs(runs: Sequence[Run], *, format: Format, tz: str) -> None:
    """Write the list of runs."""
    rows = [plain_run(run) for run in runs]
    if format is Format.json:
        write_json(rows)
    elif format is Format.csv:
        write_csv(RUN_HEADERS, rows)
    elif not rows:
        write_notice("No record was priced again yet: `spantoll reprice --dry-run` shows changes.")
    else:
        zone = find_zone(tz)
        for row, run in zip(rows, runs, strict=True):
            row["started_at"] = f"{to_local_time(run.started_ns, zone):%Y-%m-%d %H:%M:%S}"
            row["old_cost_usd"], row["new_cost_usd"] = (each.format() for each in read_costs(run))
            row["selection"] = _describe_selection(run.selection)
        # The marks of costs say whether one leaves something out.
        shown = [name for name in RUN_HEADERS if not name.endswith("_incomplete")]
        numeric = ("run", "examined", "changed", "old_cost_usd", "new_cost_usd", "kept")
        write_table(shown, ([str(row[name]) for name in shown] for row in rows), numeric=numeric)


def _all_rows(preview: Preview) -> Iterator[Mapping[str, Any]]:
    for title, named in list_groups(preview).items():
        for name, each in named.items():
            yield {"by": title, "name": name, **plain_difference(each)}


def _remarks(preview: Preview) -> Iterator[str]:
    total = preview.total
    yield ""
    if total.old_revenue_nano or total.new_revenue_nano:
        old, new = read_revenue(total)
        yield f"Revenue: {old.format()} becomes {new.format()}."
    if total.newly_priced:
        yield f"{total.newly_priced:,} records had no price and get one."
    if total.newly_unpriced:
        yield f"{total.newly_unpriced:,} records lose their price: no row is theirs any more."
    if preview.in_closed:
        yield (
            f"{preview.in_closed:,} are of closed periods: they stay as they are, and the "
            "difference is booked now, as an adjustment."
        )
    if preview.uncounted:
        yield f"{preview.uncounted:,} of them are in no sum: they repeat a call or stand for none."


def _size(difference: Difference) -> int:
    return abs(difference.new_nano - difference.old_nano)


def _cells(difference: Difference) -> list[str]:
    old, new = read_costs(difference)
    by = None if old.unknown and new.unknown else to_usd(new.nano - old.nano)
    return [format_number(difference.records), old.format(), new.format(), format_dollars(by)]


def _describe_selection(selection: Selection) -> str:
    utc = find_zone("UTC")
    parts = []
    for name, value in selection._asdict().items():
        if name in ("start_ns", "end_ns") and value is not None:
            sign = ">=" if name == "start_ns" else "<"
            parts.append(f"{sign}{to_local_time(value, utc):%Y-%m-%dT%H:%M:%SZ}")
        elif value is not None:
            parts.append(f"{name}={value}")
    return " ".join(parts) or "all"
