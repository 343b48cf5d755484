"""The commands, and how a failure becomes one line on stderr and an exit status.

Input: arguments. Output: status 0, 1 for a failure, 2 for wrong usage.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from copy import copy
from typing import Annotated

import typer
from typer.main import get_command_name
from typer.models import CommandInfo

from spantoll.errors import (
    BillError,
    ConfigurationError,
    CustomerPriceError,
    OwnerRuleError,
    QueryError,
    SpantollError,
)
from spantoll.surfaces.cli.aliases import aliases
from spantoll.surfaces.cli.amend import erase, void
from spantoll.surfaces.cli.config import config
from spantoll.surfaces.cli.customers import customers
from spantoll.surfaces.cli.db import db_app
from spantoll.surfaces.cli.doctor import doctor
from spantoll.surfaces.cli.estimate import estimate
from spantoll.surfaces.cli.explain import explain
from spantoll.surfaces.cli.export import export
from spantoll.surfaces.cli.forecast import forecast
from spantoll.surfaces.cli.grafana import grafana
from spantoll.surfaces.cli.growth import growth
from spantoll.surfaces.cli.health import health
from spantoll.surfaces.cli.ingest import ingest
from spantoll.surfaces.cli.keys import keys
from spantoll.surfaces.cli.models import models
from spantoll.surfaces.cli.owners import owners
from spantoll.surfaces.cli.periods import periods_app
from spantoll.surfaces.cli.price import price
from spantoll.surfaces.cli.prices import prices
from spantoll.surfaces.cli.questions import ask, top, user
from spantoll.surfaces.cli.reconcile import reconcile
from spantoll.surfaces.cli.records import records
from spantoll.surfaces.cli.reprice import reprice_app
from spantoll.surfaces.cli.up import up
from spantoll.surfaces.cli.usage import usage

__all__ = ["app", "run"]

FAILED = 1
USAGE = 2

app = typer.Typer(
    help="What every LLM call costs, who it was for and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    *(
        up,
        ingest,
        usage,
        top,
        growth,
        forecast,
        user,
        ask,
        records,
        explain,
        export,
        reconcile,
        health,
        doctor,
    ),
    *(price, estimate, models, void, erase),
):
    app.command()(command)
app.add_typer(reprice_app, name="reprice")
app.add_typer(prices, name="prices")
app.add_typer(keys, name="keys")
app.add_typer(db_app, name="db")
app.add_typer(aliases, name="aliases")
app.add_typer(config, name="config")
app.add_typer(periods_app, name="periods")
app.add_typer(customers, name="customers")
app.add_typer(grafana, name="grafana")
app.add_typer(owners, name="owners")


@app.command("run", context_settings={"ignore_unknown_options": True})
def run_program(program: Annotated[list[str], typer.Argument(metavar="-- PROGRAM...")]) -> None:
    """Run a Python program with its model calls instrumented, its code unchanged."""
    from spantoll.instrumentation.launch import main as launch

    raise typer.Exit(launch(program))


@app.command()
def version() -> None:
    """Print the version."""
    from spantoll.surfaces.cli import main

    main(["version"])


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit status."""
    try:
        chosen = _select_command(arguments[0]) if arguments else app
        status = chosen(list(arguments), prog_name="spantoll", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        return _fail(error.format_message(), error.exit_code)
    except (BillError, ConfigurationError, CustomerPriceError, OwnerRuleError, QueryError) as error:
        return _fail(str(error), USAGE)
    except SpantollError as error:
        return _fail(str(error), FAILED)
    except BrokenPipeError:
        # the reader has left, e.g. `| head`; the interpreter must not try to flush again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return status or 0


def _select_command(name: str) -> typer.Typer:
    """Return the application with the named command alone; all of it where none is named.

    Typer reads the signatures of all commands that an application has before it runs one.
    """
    commands = [each for each in app.registered_commands if _name_of_callback(each) == name]
    groups = [each for each in app.registered_groups if each.name == name]
    if not commands and not groups:
        return app
    chosen = copy(app)
    # With a single command and no group Typer would expect no name of a command.
    others = [each for each in app.registered_commands if each.callback is version]
    chosen.registered_commands, chosen.registered_groups = [*commands, *others], groups
    return chosen


def _name_of_callback(command: CommandInfo) -> str | None:
    if command.name or command.callback is None:
        return command.name
    return get_command_name(command.callback.__name__)


def _fail(message: str, status: int) -> int:
    print(f"spantoll: {' '.join(message.split())}", file=sys.stderr)
    return status
