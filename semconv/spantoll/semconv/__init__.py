from spantoll.semconv.call import (
    BILLABLE_ROLES,
    Attribution,
    ModelCall,
    ReportedCost,
    Usage,
)
from spantoll.semconv.registry import could_be_genai, read

__all__ = [
    "BILLABLE_ROLES",
    "Attribution",
    "ModelCall",
    "ReportedCost",
    "Usage",
    "could_be_genai",
    "read",
]
