"""Received traces on to any OTLP backend, with the price on the span."""

from spantoll.forward.forwarder import Forwarder
from spantoll.forward.line import Counts, Retry
from spantoll.forward.options import read_headers, read_targets
from spantoll.forward.target import Target

__all__ = ["Counts", "Forwarder", "Retry", "Target", "read_headers", "read_targets"]
