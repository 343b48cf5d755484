from spantoll.reconcile.formats import anthropic, bedrock, generic, openai

__all__ = ["FORMATS"]

FORMATS = (
    openai.USAGE,
    openai.COSTS,
    anthropic.USAGE,
    anthropic.COSTS,
    anthropic.COST_REPORT,
    bedrock.CUR,
    generic.GENERIC,
)
"""The first of the provider's that a file's columns match; the generic one last."""
