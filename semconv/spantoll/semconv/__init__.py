from spantoll.semconv.call import (
    BILLABLE_ROLES,
    Attribution,
    ModelCall,
    ReportedCost,
    Usage,
)
from spantoll.semconv.registry import could_be_genai, could_be_genai_event, read, read_log

__all__ = [
    "BILLABLE_ROLES",
    "Attribution",
    "ModelCall",
    "ReportedCost",
    "Usage",
    "could_be_genai",
    "could_be_genai_event",
    "read",
    "read_log",
]
