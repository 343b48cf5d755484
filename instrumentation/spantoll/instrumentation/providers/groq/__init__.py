"""Groq's own SDK."""

from spantoll.instrumentation.providers.groq.hooks import PROVIDER

__all__ = ["PROVIDER"]
