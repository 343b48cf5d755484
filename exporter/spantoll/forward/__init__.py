"""Received traces on to any OTLP backend, with the price on the span."""
