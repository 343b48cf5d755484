from spantoll.storage.open import open_store
from spantoll.storage.store import Correction, Settle, Store, Stored, WriteResult

__all__ = ["Correction", "Settle", "Store", "Stored", "WriteResult", "open_store"]
