from __future__ import annotations

from spantoll.pipeline.price_changes import Added
from spantoll.surfaces.cli.output import write_line, write_notice
from spantoll.surfaces.cli.price_rows import print_prices

__all__ = ["report_change"]


def report_change(change: Added) -> None:
    """Say what a change of the user's own prices did; the one place that every change passes."""
    if change.added:
        print_prices(change.added)
    same = f", {change.unchanged} there already" if change.unchanged else ""
    ended = f", {len(change.ended)} ended" if change.ended else ""
    write_line(f"{len(change.added)} prices added{same}{ended}")
    if change.added:
        write_notice("Calls received from now on are priced by them, by `spantoll up` within 5 s.")
