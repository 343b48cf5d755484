"""Cohere's own SDK, clients of both versions of its API."""

from spantoll.instrumentation.providers.cohere.hooks import PROVIDER

__all__ = ["PROVIDER"]
