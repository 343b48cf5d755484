"""Check the readings of the dialects that a tree of sources has, in a process of its own.

    PYTHONPATH=TREE python -m tests.semconv.check_readings [WITHOUT ...]

Imports every module of `spantoll.semconv`, then reads the spans of all dialects but those named.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import walk_packages

from spantoll import semconv
from spantoll.semconv.registry import all_dialects
from tests.semconv.readings import readings_by_dialect
from tests.semconv.spans import read_call, read_tokens


def main(*without: str) -> None:
    """Exit with the first reading that differs."""
    for module in walk_packages(semconv.__path__, f"{semconv.__name__}."):
        import_module(module.name)
    present = {dialect.name for dialect in all_dialects()}
    tables = readings_by_dialect()
    if present != tables.keys() - set(without):
        raise SystemExit(f"the dialects are {sorted(present)}")
    for dialect in present:
        for case, reading in tables[dialect].items():
            call = read_call(reading.scope, reading.attributes, name=reading.name)
            if (call.dialect, read_tokens(reading)) != (dialect, reading.usage):
                raise SystemExit(f"{dialect}: {case}: {call}")


if __name__ == "__main__":
    main(*sys.argv[1:])
