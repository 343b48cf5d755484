"""Cerebras' own SDK."""

from spantoll.instrumentation.providers.cerebras.hooks import PROVIDER

__all__ = ["PROVIDER"]
