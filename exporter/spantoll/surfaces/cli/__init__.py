from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from spantoll.process import collect_rarely

__all__ = ["main"]

LEDGER_EXTRA = ("pydantic", "pydantic_settings", "rich", "sqlalchemy", "typer")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; answers with the exit status.

    `version` and `run` work in a plain `pip install spantoll`, and start without loading a ledger.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    match given:
        case ["version" | "--version" | "-V"]:
            return _version()
        case ["run", *command] if command[:1] != ["--help"]:
            from spantoll.instrumentation.launch import main as launch

            return launch(command)
    # What imports make stays: looking for garbage among it takes a third of a command's start.
    gc.disable()
    try:
        from spantoll.surfaces.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in LEDGER_EXTRA:
            raise
        print(
            f"spantoll: {error.name} is not installed; pip install 'spantoll[exporter]'",
            file=sys.stderr,
        )
        return 1
    finally:
        gc.enable()
    if arguments is None:  # a process of its own
        collect_rarely()
    return run(given)


def _version() -> int:
    from importlib.metadata import version

    print(f"spantoll {version('spantoll')}")
    return 0
