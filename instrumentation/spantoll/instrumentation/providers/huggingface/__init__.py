"""Hugging Face's `InferenceClient`."""

from spantoll.instrumentation.providers.huggingface.hooks import PROVIDER

__all__ = ["PROVIDER"]
