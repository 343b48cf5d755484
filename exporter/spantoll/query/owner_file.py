"""The owner map in the configuration file: tables `[[owners]]`, applied while a receiver runs.

Input: `spantoll.toml`. Output: rules of the ledger that came from the file, as the file has them
now. A rule that is no longer in the file never holds; it stays in the ledger, and in the audit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from spantoll.errors import ConfigurationError, OwnerRuleError
from spantoll.query.owner_rows import SECTION, read_owner_rows
from spantoll.query.times import parse_time
from spantoll.query.windows import find_zone
from spantoll.settings import find_file, load_settings, read_section
from spantoll.storage import Store
from spantoll.storage.owner_rules import OwnerRule, replace_file_rules

__all__ = ["OwnerFile", "read_file_rules"]

log = logging.getLogger(__name__)

FileState = tuple[Path, int, int, int]
"""The path of a file, and what changes when it is written."""


def read_file_rules() -> list[OwnerRule]:
    """Read the rules of the file; days are of the zone of the setting `tz`.

    Raises ConfigurationError naming the file and the rule.
    """
    zone = find_zone(load_settings().tz)

    def read_time(text: str) -> int:
        if not text[:4].isdecimal():  # `today` would be another rule every day
            raise OwnerRuleError(f"{text!r} is not a day such as 2026-11-01 or a time")
        return parse_time(text, field="owners", tz=zone, now_ns=0)

    try:
        return read_owner_rows(read_section(SECTION), parse_time=read_time)
    except OwnerRuleError as error:
        raise ConfigurationError(f"{find_file()}: {error}") from None


class OwnerFile:
    """Applies the rules of the file to a ledger, when they are first looked at and on change."""

    def __init__(self, store: Store, *, clock_ns: Callable[[], int]) -> None:
        self._store = store
        self._clock_ns = clock_ns
        self._state: FileState | None = None
        self._problem = ""

    def apply(self) -> int:
        """Bring the rules of the ledger to those of the file; return how many have changed.

        Without a file nothing is changed, nor where it is as it was before. Raises
        ConfigurationError for rules that are wrong or overlap, and StoreUnavailable.
        """
        state = _read_state()
        if state is None or state == self._state:
            return 0
        rules = read_file_rules()
        try:
            with self._store.transaction() as connection:
                changed = replace_file_rules(
                    connection, rules, now_ns=self._clock_ns(), by=str(state[0].name)
                )
        except OwnerRuleError as error:
            raise ConfigurationError(f"{state[0]}: {error}") from None
        self._state = state
        return changed

    def follow(self) -> None:
        """Apply the file; log what is wrong with it once, and keep the rules as they are."""
        try:
            changed = self.apply()
        except ConfigurationError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                log.error("rules of owners stay as they were: %s", error)
            return
        self._problem = ""
        if changed:
            log.warning("rules of owners have changed: %d", changed)


def _read_state() -> FileState | None:
    path = find_file()
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    return path.resolve(), found.st_ino, found.st_mtime_ns, found.st_size
