"""`spantoll owners`: which team, cost centre or customer calls belong to, as dated rules.

Input: rules as arguments or files. Output: the rules, as a table, CSV or JSON; all rules of a
command are added or none. Raises OwnerRuleError (status 2) for what is wrong or overlaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spantoll.surfaces.cli.options import Database, Format, Formatted, Tz
from spantoll.surfaces.cli.prices import read_text

if TYPE_CHECKING:
    from spantoll.storage import OwnerRule

__all__ = ["owners"]

owners = typer.Typer(
    help="Which team, cost centre or customer calls belong to.", no_args_is_help=True
)

ValidFrom = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Inclusive; always if absent.")
]
ValidTo = Annotated[
    str | None, typer.Option("--to", metavar="TIME", help="Exclusive; open if absent.")
]


@owners.command("list")
def list_rules(format: Formatted = Format.table, database: Database = None) -> None:
    """List the rules of the ledger, with their numbers."""
    _write_rules(_read_rules(database), format)


@owners.command("export")
def export_rules(
    format: Annotated[Format, typer.Option("--format", "-f", help="csv or json.")] = Format.csv,
    database: Database = None,
) -> None:
    """Write the rules of the ledger as `owners import` reads them."""
    _write_rules([each._replace(id=None) for each in _read_rules(database)], format)


@owners.command("set")
def set_rule(
    kind: Annotated[str, typer.Argument(help="team, cost_centre or customer.")],
    owner: Annotated[str, typer.Argument(help="Its name.")],
    where: Annotated[str, typer.Argument(help="field=value or field^=prefix; attr.KEY too.")],
    priority: Annotated[int, typer.Option(help="The highest of those that match decides.")] = 0,
    valid_from: ValidFrom = None,
    valid_to: ValidTo = None,
    tz: Tz = None,
    database: Database = None,
) -> None:
    """Add one rule. A rule that overlaps another is refused: end the older one first."""
    row = {
        "kind": kind,
        "owner": owner,
        "where": where,
        "priority": priority,
        "valid_from": valid_from,
        "valid_to": valid_to,
    }
    _add_rules([row], database=database, tz=tz)


@owners.command("end")
def end_rule(
    number: Annotated[int, typer.Argument(metavar="RULE", help="As `owners list` shows.")],
    at: Annotated[str, typer.Option(metavar="TIME", help="From when it holds no longer.")],
    tz: Tz = None,
    database: Database = None,
) -> None:
    """Give an open rule its end; ended where it begins, it never holds."""
    from spantoll.storage.owner_rules import describe_rule, end_owner_rule
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger, user_name
    from spantoll.surfaces.cli.output import write_line

    with open_ledger(database) as ledger:
        end_ns = _parse_time(at, tz=tz or ledger.settings.tz)
        with ledger.store.transaction() as connection:
            ended = end_owner_rule(
                connection, number, end_ns=end_ns, now_ns=now_ns(), by=user_name()
            )
    write_line(describe_rule(ended))


@owners.command("import")
def import_rules(
    file: Annotated[Path, typer.Argument(help="CSV, JSON or TOML; - is stdin.")],
    tz: Tz = None,
    database: Database = None,
) -> None:
    """Add the rules of a file, all or none; rules that are there already are left as they are."""
    from spantoll.query.owner_rows import parse_owner_rows

    _add_rules(parse_owner_rows(read_text(file)), database=database, tz=tz)


def _add_rules(rows: Sequence[dict[str, Any]], *, database: str | None, tz: str | None) -> None:
    from spantoll.query.owner_rows import read_owner_rows
    from spantoll.storage.owner_rules import add_owner_rules, describe_rule
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger, user_name
    from spantoll.surfaces.cli.output import write_line, write_notice

    with open_ledger(database, create=True) as ledger:
        zone = tz or ledger.settings.tz
        rules = read_owner_rows(rows, parse_time=lambda text: _parse_time(text, tz=zone))
        with ledger.store.transaction() as connection:
            added = add_owner_rules(connection, rules, now_ns=now_ns(), by=user_name())
    for rule in added:
        write_line(describe_rule(rule))
    if known := len(rules) - len(added):
        write_notice(f"{known} rule{'s' * (known != 1)} of them: there already")


def _parse_time(text: str, *, tz: str) -> int:
    from spantoll.query.times import parse_time
    from spantoll.query.windows import find_zone
    from spantoll.surfaces.cli.ledger import now_ns

    return parse_time(text, field="time", tz=find_zone(tz), now_ns=now_ns())


def _read_rules(database: str | None) -> list[OwnerRule]:
    from spantoll.query.run import reading
    from spantoll.storage import read_owner_rules
    from spantoll.surfaces.cli.ledger import open_ledger

    with open_ledger(database) as ledger, reading(ledger.engine) as connection:
        return read_owner_rules(connection)


def _write_rules(rules: Sequence[OwnerRule], format: Format) -> None:
    from spantoll.query.owner_rows import OWNER_FIELDS, write_owner_rows
    from spantoll.surfaces.cli.output import write_csv, write_json, write_table

    rows = write_owner_rows(rules)
    match format:
        case Format.json:
            write_json(rows)
        case Format.csv:
            write_csv(OWNER_FIELDS, rows)
        case Format.table:
            cells = [
                ["" if row[name] is None else str(row[name]) for name in OWNER_FIELDS]
                for row in rows
            ]
            empty = "There are no rules of owners: `spantoll owners set` adds one."
            write_table(OWNER_FIELDS, cells, numeric=("id", "priority"), empty=empty)
