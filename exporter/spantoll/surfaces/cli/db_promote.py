"""`spantoll db promote`: let answers that filter by an attribute find its records by an index.

Input: names of attributes, or those of the setting `promoted_attributes`. Output: a line for each
on stdout.
"""

from __future__ import annotations

from typing import Annotated

import typer

from spantoll.surfaces.cli.options import Database

__all__ = ["promote"]


def promote(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY]...", help="As in attr.KEY; otherwise the setting promoted_attributes."
        ),
    ] = None,
    fill: Annotated[
        bool,
        typer.Option(
            "--fill", help="ClickHouse: write their columns for the records that are there, too."
        ),
    ] = False,
    database: Database = None,
) -> None:
    """Promote kept attributes, while others write; answers stay the same, and come sooner.

    Interrupted, it goes on when it is started again.
    """
    from spantoll.storage.promoted import fill_columns, promote_attribute
    from spantoll.storage.promoted_names import parse_promoted
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.reprice_actions import find_sql_store

    with open_ledger(database) as ledger:
        try:
            wanted = parse_promoted(",".join(names or [ledger.settings.promoted_attributes]))
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="KEY") from None
        if not wanted:
            raise typer.BadParameter("name one, or set promoted_attributes", param_hint="KEY")
        store = find_sql_store(ledger.store)
        for name in wanted:
            is_new = promote_attribute(store, name)
            print(f"attr.{name} is promoted" if is_new else f"attr.{name} was promoted before")
        if fill and fill_columns(store):
            print("the records that are there have them in their columns")
