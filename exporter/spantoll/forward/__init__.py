"""Committed requests on to any OTLP backend, with the cost on each billed span."""

from spantoll.forward.counts import Counts
from spantoll.forward.delivery import Retry
from spantoll.forward.forwarder import Forwarder
from spantoll.forward.options import read_headers, read_targets
from spantoll.forward.target import Target

__all__ = ["Counts", "Forwarder", "Retry", "Target", "read_headers", "read_targets"]
