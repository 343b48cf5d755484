"""Mistral's own SDK."""

from spantoll.instrumentation.providers.mistral.hooks import PROVIDER

__all__ = ["PROVIDER"]
