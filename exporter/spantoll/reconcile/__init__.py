from spantoll.reconcile.causes import RULES, Rule
from spantoll.reconcile.compare import Period, Reconciliation, reconcile
from spantoll.reconcile.comparison import Billed, Cause, Comparison, Scope
from spantoll.reconcile.formats import FORMATS
from spantoll.reconcile.ledger import Usage
from spantoll.reconcile.line import METRICS, Bill, BillLine, LeftOut
from spantoll.reconcile.plain import (
    RECONCILIATION_HEADERS,
    plain_comparison,
    plain_reconciliation,
)
from spantoll.reconcile.read import read_bill, read_bills

__all__ = [
    "FORMATS",
    "METRICS",
    "RECONCILIATION_HEADERS",
    "RULES",
    "Bill",
    "BillLine",
    "Billed",
    "Cause",
    "Comparison",
    "LeftOut",
    "Period",
    "Reconciliation",
    "Rule",
    "Scope",
    "Usage",
    "plain_comparison",
    "plain_reconciliation",
    "read_bill",
    "read_bills",
    "reconcile",
]
