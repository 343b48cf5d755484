"""Gemini through google-genai: Google's own API and Vertex AI."""

from spantoll.instrumentation.providers.google_genai.hooks import PROVIDER

__all__ = ["PROVIDER"]
