from spantoll.surfaces.demo.calls import DAYS, DemoCall, list_calls
from spantoll.surfaces.demo.fill import add_prices, send_calls

__all__ = ["DAYS", "DemoCall", "add_prices", "list_calls", "send_calls"]
