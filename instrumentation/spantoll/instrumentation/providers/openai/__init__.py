"""OpenAI, Azure OpenAI, and every host that speaks OpenAI's API to OpenAI's SDK."""

from spantoll.instrumentation.providers.openai.hooks import PROVIDER

__all__ = ["PROVIDER"]
