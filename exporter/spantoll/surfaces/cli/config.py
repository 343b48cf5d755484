"""`spantoll config show`: every setting with its value, and where the value comes from.

Input: variables, the configuration file, the option --database. Output: one row for each setting,
and for each table of prices and aliases in the file. Secrets are not shown.
"""

from __future__ import annotations

from typing import Annotated

import typer

from spantoll.settings import SECTIONS, find_file, load_settings, read_section
from spantoll.surfaces.cli.options import Database, Format, Formatted
from spantoll.surfaces.cli.output import write_csv, write_json, write_table
from spantoll.surfaces.shown_settings import list_settings

__all__ = ["config"]

config = typer.Typer(help="The configuration that commands use.", no_args_is_help=True)


@config.callback()
def keep_group() -> None:
    """The configuration that commands use."""


@config.command("show")
def show_config(
    origin: Annotated[
        bool, typer.Option("--origin", help="Say where each value comes from.")
    ] = False,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Show every setting: options over variables over the file over defaults."""
    settings = load_settings(database=database)
    rows = list_settings(settings)
    for row in rows:
        if database is not None and row["name"] == "database":
            row["origin"] = "option --database"
    for name in SECTIONS:
        count = len(read_section(name))
        if count:
            rows.append({"name": name, "value": f"{count} rows", "origin": str(find_file())})
    columns = ("name", "value", "origin") if origin else ("name", "value")
    if format is Format.json:
        write_json([{name: row[name] for name in columns} for row in rows])
    elif format is Format.csv:
        write_csv(columns, rows)
    else:
        write_table(columns, [[str(row[name]) for name in columns] for row in rows])
