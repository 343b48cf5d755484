"""Ollama's own SDK."""

from spantoll.instrumentation.providers.ollama.hooks import PROVIDER

__all__ = ["PROVIDER"]
