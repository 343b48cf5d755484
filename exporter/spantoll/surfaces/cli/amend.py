"""`spantoll void` and `spantoll erase`: changes by hand, each with an entry in the audit.

Input: a record or a user, and why. Output: one line of what was changed.
"""

from __future__ import annotations

from typing import Annotated

import typer

from spantoll.surfaces.cli.options import Database

__all__ = ["erase", "void"]

LONGEST_WHY = 1_024

Why = Annotated[
    str, typer.Option(metavar="TEXT", help="The reason, for the audit: at most 1,024 characters.")
]
DoneBy = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="NAME",
        help="Who does it, for the audit; otherwise the user of this machine.",
    ),
]


def void(
    record: Annotated[int, typer.Argument(help="Record id, as `spantoll records` shows.")],
    why: Why,
    by: DoneBy = None,
    database: Database = None,
) -> None:
    """Count a call that was recorded by mistake never again; its record stays, with the reason."""
    from spantoll.query import CostState
    from spantoll.storage.amend import void_record
    from spantoll.surfaces.cells import format_cost
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger, user_name
    from spantoll.surfaces.cli.output import write_line
    from spantoll.surfaces.cli.reprice_actions import find_sql_store

    with open_ledger(database) as ledger:
        store = find_sql_store(ledger.store)
        was = void_record(store, record, why=_check_why(why), by=by or user_name(), now_ns=now_ns())
    cost = format_cost(CostState.from_record(was))
    write_line(f"record {record} is void: {was.provider or '-'} {was.model or '-'}, cost {cost}")


def erase(
    user: Annotated[str, typer.Option(metavar="ID", help="A user id or e-mail address.")],
    why: Why = "erasure was asked for",
    by: DoneBy = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it: it cannot be undone.")] = False,
    database: Database = None,
) -> None:
    """Remove a person from every record; counts, tokens and costs stay. It cannot be undone."""
    from spantoll.errors import ConfigurationError
    from spantoll.storage.amend import count_user_records, erase_user
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger, user_name
    from spantoll.surfaces.cli.output import write_line
    from spantoll.surfaces.cli.reprice_actions import find_sql_store

    if not user.strip():
        raise typer.BadParameter("give the id of a user", param_hint="--user")
    with open_ledger(database) as ledger:
        store = find_sql_store(ledger.store)
        if not yes:
            records = count_user_records(store, user)
            held = f"{records:,} record{'s' * (records != 1)} of {store.url}"
            raise ConfigurationError(f"{user} is not removed from {held} without --yes")
        erased = erase_user(store, user, why=_check_why(why), by=by or user_name(), now_ns=now_ns())
    write_line(f"{erased:,} records no longer name the user; their counts and costs stay")


def _check_why(why: str) -> str:
    if not why.strip() or len(why) > LONGEST_WHY:
        raise typer.BadParameter("give a reason of 1 to 1,024 characters", param_hint="--why")
    return why
