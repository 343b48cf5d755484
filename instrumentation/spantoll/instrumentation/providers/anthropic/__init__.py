"""Anthropic's SDK, also its clients for Bedrock, Vertex AI and Foundry."""

from spantoll.instrumentation.providers.anthropic.hooks import PROVIDER

__all__ = ["PROVIDER"]
