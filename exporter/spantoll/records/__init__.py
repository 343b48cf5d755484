from spantoll.records.build import to_record
from spantoll.records.columns import usage_record
from spantoll.records.read import to_call
from spantoll.records.record import Billed, UsageRecord

__all__ = ["Billed", "UsageRecord", "to_call", "to_record", "usage_record"]
