from spantoll.customers.book import EMPTY_BOOK, NO_FILE, BookVersion, FilePrices, PriceBook
from spantoll.customers.price import (
    ANY,
    KINDS,
    CustomerPrice,
    describe_price,
    find_overlap,
    normalise_price,
)
from spantoll.customers.revenue import (
    REVENUE_COLUMNS,
    Revenue,
    RevenueLine,
    charge_record,
    compute_revenue,
)

__all__ = [
    "ANY",
    "EMPTY_BOOK",
    "KINDS",
    "NO_FILE",
    "REVENUE_COLUMNS",
    "BookVersion",
    "CustomerPrice",
    "FilePrices",
    "PriceBook",
    "Revenue",
    "RevenueLine",
    "charge_record",
    "compute_revenue",
    "describe_price",
    "find_overlap",
    "normalise_price",
]
