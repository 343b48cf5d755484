"""Promote the attributes that the settings name.

Input: a store and names of attributes. Output: their indexes or columns in the database. A ledger
without records is given them at once; one with records only on request, since that reads them all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from spantoll.errors import StoreUnavailable
from spantoll.records.columns import usage_record
from spantoll.storage import SqlStore, Store
from spantoll.storage.promoted import is_promoted, promote_attribute

__all__ = ["list_unpromoted", "promote_in_empty_ledger"]

log = logging.getLogger(__name__)


def list_unpromoted(store: Store, attributes: Iterable[str]) -> list[str]:
    """List which of the attributes are not promoted; all in a store that is no `SqlStore`.

    Raises StoreUnavailable.
    """
    if not isinstance(store, SqlStore):
        return list(attributes)
    try:
        return [each for each in attributes if not is_promoted(store.engine, each)]
    except DBAPIError as error:
        raise StoreUnavailable(f"cannot read the database: {error.orig}") from error


def promote_in_empty_ledger(store: Store, attributes: Iterable[str]) -> None:
    """Promote attributes where there are no records; else log which wait for the command.

    What is not promoted is answered from the JSON of the records: slower, and the same.
    """
    missing = list_unpromoted(store, attributes)
    if missing and isinstance(store, SqlStore) and not _has_records(store):
        for each in missing:
            promote_attribute(store, each)
    elif missing:
        log.warning("not promoted: %s; `spantoll db promote` does it", ", ".join(missing))


def _has_records(store: SqlStore) -> bool:
    with store.engine.connect() as connection:
        return connection.scalar(select(usage_record.c.id).limit(1)) is not None
