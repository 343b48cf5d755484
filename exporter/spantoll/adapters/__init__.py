from spantoll.adapters.protocol import Adapter, StatsFilter, UsageStats
from spantoll.adapters.save import BATCH_RECORDS, save_ledger

__all__ = ["BATCH_RECORDS", "Adapter", "StatsFilter", "UsageStats", "save_ledger"]
