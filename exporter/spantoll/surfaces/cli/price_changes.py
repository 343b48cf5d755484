from __future__ import annotations

from spantoll.pipeline.price_changes import Added
from spantoll.pricing.model_aliases import ModelAlias
from spantoll.pricing.own_prices import OwnPrice
from spantoll.surfaces.cli.output import write_line, write_notice
from spantoll.surfaces.cli.price_rows import print_aliases, print_prices

__all__ = ["report_aliases", "report_prices"]


def report_prices(change: Added[OwnPrice]) -> None:
    """Say what a change of the user's own prices did."""
    if change.added:
        print_prices(change.added)
    _report("prices", len(change.added), change.unchanged, len(change.ended))


def report_aliases(change: Added[ModelAlias]) -> None:
    """Say what a change of the aliases did."""
    if change.added:
        print_aliases(change.added)
    _report("aliases", len(change.added), change.unchanged, len(change.ended))


def _report(rows: str, added: int, unchanged: int, ended: int) -> None:
    """Say how many rows a change added; every change of prices and aliases ends here."""
    same = f", {unchanged} there already" if unchanged else ""
    before = f", {ended} ended" if ended else ""
    write_line(f"{added} {rows} added{same}{before}")
    if added:
        write_notice("Calls received from now on are priced by them, by `spantoll up` within 5 s.")
