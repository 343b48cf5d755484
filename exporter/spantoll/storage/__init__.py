from spantoll.storage.browser_sessions import begin_session, end_session, find_session
from spantoll.storage.customers import (
    add_customer_prices,
    end_customer_price,
    read_price_book,
)
from spantoll.storage.key_ring import KeyRing
from spantoll.storage.keys import SCOPES, AccessKey, list_keys, make_key, revoke_key
from spantoll.storage.open import hide_password, open_store
from spantoll.storage.own_prices import StoredPricing, change_pricing, read_stored_pricing
from spantoll.storage.owner_rules import OwnerRule, read_owner_rules
from spantoll.storage.price_sets import list_price_sets
from spantoll.storage.registry import GROUP, OpenUrl
from spantoll.storage.sql import SqlStore
from spantoll.storage.store import Correction, Settle, Store, Stored, WriteResult

__all__ = [
    "GROUP",
    "SCOPES",
    "AccessKey",
    "Correction",
    "KeyRing",
    "OpenUrl",
    "OwnerRule",
    "Settle",
    "SqlStore",
    "Store",
    "Stored",
    "StoredPricing",
    "WriteResult",
    "add_customer_prices",
    "begin_session",
    "change_pricing",
    "end_customer_price",
    "end_session",
    "find_session",
    "hide_password",
    "list_keys",
    "list_price_sets",
    "make_key",
    "open_store",
    "read_owner_rules",
    "read_price_book",
    "read_stored_pricing",
    "revoke_key",
]
