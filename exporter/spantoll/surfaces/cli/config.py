"""`spantoll config show`: every setting with its value, and where the value comes from.

Input: variables, the configuration file, the option --database. Output: one row for each setting,
and for each table of prices and aliases in the file. Secrets are not shown.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic import SecretStr

from spantoll.settings import SECTIONS, find_file, list_origins, load_settings, read_section
from spantoll.storage import hide_password
from spantoll.surfaces.cli.options import Database, Format, Formatted
from spantoll.surfaces.cli.output import write_csv, write_json, write_table

__all__ = ["config"]

config = typer.Typer(help="The configuration that commands use.", no_args_is_help=True)
HIDDEN = "(hidden)"


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
    origins = list_origins(settings)
    if database is not None:
        origins["database"] = "option --database"
    rows: list[dict[str, Any]] = [
        {"name": name, "value": _show(name, getattr(settings, name)), "origin": origins[name]}
        for name in type(settings).model_fields
    ]
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


def _show(name: str, value: Any) -> str:
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if name == "database":
        return hide_password(value)
    return "off" if value is None else str(value)
