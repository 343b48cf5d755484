"""`spantoll keys`: make, list and revoke the keys of senders and readers.

Input: a name, scopes and a limit, or the id of a key. Output: the secret of a new key, alone on
stdout, or a row for each key. Secrets are not kept, so a list has none.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from spantoll.surfaces.cli.options import Database, Format, Formatted

__all__ = ["keys"]

HEADERS = ("id", "name", "scopes", "customer_id", "tenant_id", "created_at", "revoked_at")

keys = typer.Typer(help="Make, list and revoke access keys.", no_args_is_help=True)


@keys.command("make")
def make(
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="ingest, read (if none is given), write or admin.")
    ] = None,
    customer: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="It reads the records of this customer only, and no costs."
        ),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="ID", help="It reads the records of this tenant only.")
    ] = None,
    database: Database = None,
) -> None:
    """Make a key and write its secret, which cannot be shown again."""
    from spantoll.storage import make_key
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger, user_name
    from spantoll.surfaces.cli.output import write_line, write_notice

    with open_ledger(database, create=True) as ledger:
        secret = make_key(
            ledger.store,
            name,
            scopes=scope or ["read"],
            customer_id=customer,
            tenant_id=tenant,
            by=user_name(),
            now_ns=now_ns(),
        )
    write_line(secret)
    write_notice("Shown once. Send it as: Authorization: Bearer KEY")


@keys.command("list")
def list_all(format: Formatted = Format.table, database: Database = None) -> None:
    """List every key, revoked ones too; their secrets are not kept."""
    from spantoll.storage import list_keys
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.output import UNKNOWN, write_csv, write_json, write_table

    with open_ledger(database) as ledger:
        rows = [_show(each) for each in list_keys(ledger.engine)]
    match format:
        case Format.json:
            write_json(rows)
        case Format.csv:
            write_csv(HEADERS, rows)
        case Format.table:
            cells = [[str(row[name] or UNKNOWN) for name in HEADERS] for row in rows]
            empty = "There are no keys: `spantoll keys make NAME` makes one."
            write_table(HEADERS, cells, numeric=("id",), empty=empty)


@keys.command("revoke")
def revoke(
    key_id: Annotated[int, typer.Argument(metavar="ID", help="Of `spantoll keys list`.")],
    database: Database = None,
) -> None:
    """Revoke a key for good; a running server refuses it within a second."""
    from spantoll.storage import revoke_key
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger, user_name

    with open_ledger(database) as ledger:
        if not revoke_key(ledger.store, key_id, by=user_name(), now_ns=now_ns()):
            raise typer.BadParameter(f"no key {key_id} is in use", param_hint="ID")


def _show(key: Any) -> dict[str, Any]:
    from spantoll.query.windows import find_zone, to_local_time

    times = {
        "created_at": to_local_time(key.created_ns, find_zone("UTC")).isoformat(),
        "revoked_at": key.revoked_ns
        and to_local_time(key.revoked_ns, find_zone("UTC")).isoformat(),
    }
    shown = {**key._asdict(), "scopes": " ".join(key.scopes), **times}
    return {name: shown[name] for name in HEADERS}
