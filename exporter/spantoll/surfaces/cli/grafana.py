"""`spantoll grafana export`: data source, dashboard and alert rules for Grafana.

Input: the ledger and a folder. Output: files, one line for each on stdout. They query the SQL views
of the ledger (docs/grafana.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spantoll.surfaces.cli.options import Database

__all__ = ["grafana"]

grafana = typer.Typer(help="Give Grafana what it needs to show a ledger.", no_args_is_help=True)


@grafana.callback()
def choose() -> None:
    """Give Grafana what it needs to show a ledger."""


@grafana.command("export")
def export_files(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write the files.")],
    dashboards: Annotated[
        str, typer.Option(metavar="PATH", help="Where Grafana will find DIR/dashboards.")
    ] = "/var/lib/grafana/dashboards",
    database: Database = None,
) -> None:
    """Write provisioning/ and dashboards/ for Grafana; a password stays in its environment."""
    from sqlalchemy import make_url

    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.output import write_line, write_notice
    from spantoll.surfaces.grafana import write_provisioning

    with open_ledger(database) as ledger:
        url = make_url(ledger.engine.url)
        written = write_provisioning(directory, url, dashboards=dashboards)
    for path in written:
        write_line(str(path))
    if url.password:
        write_notice("Give Grafana the password of its user as SPANTOLL_GRAFANA_PASSWORD.")
