"""Where inference is kept, as far as a price depends on it.

Input: the provider and what a call reports of regions, endpoints and hosts. Output: the `place` of
a price context, or '' where the place does not change the price. Each rule names its source.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Whereabouts", "place_of_call"]


class Whereabouts(NamedTuple):
    """What a call reports of where it was computed."""

    region: str
    """A cloud region, or the residency an SDK reports (`us`)."""
    host: str
    residency: str
    scope: str
    """`global`, `regional`, `multi_region`, `geographic`: the kind of endpoint or profile."""


class PlaceRule(NamedTuple):
    """How one provider's place is found."""

    provider: str
    find: Callable[[Whereabouts], str]
    source: str


_OPENAI_HOST = re.compile(r"(?:^|//)(?!api\.)([a-z]{2})\.api\.openai\.com")
_XAI_US_HOST = re.compile(r"(?:^|//)us\.api\.x\.ai")
_MISTRAL_HOST = re.compile(r"(?:^|//)api\.(eu|us)\.mistral\.ai")
_VERTEX_HOST = re.compile(r"(?:^|//)([a-z]+-[a-z]+\d+|us|eu)-aiplatform\.|aiplatform\.(us|eu)\.rep")
_WORLD = frozenset({"", "global", "default", "none", "not_available", "worldwide"})


def _openai(call: Whereabouts) -> str:
    kept = call.residency or (call.region if len(call.region) == 2 else "")
    return "regional" if kept not in _WORLD or _OPENAI_HOST.search(call.host) else ""


def _anthropic(call: Whereabouts) -> str:
    kept = call.residency or (call.region if len(call.region) == 2 else "")
    return "" if kept in _WORLD else kept


def _xai(call: Whereabouts) -> str:
    return "us" if call.residency == "us" or _XAI_US_HOST.search(call.host) else ""


def _mistral(call: Whereabouts) -> str:
    return "regional" if call.residency not in _WORLD or _MISTRAL_HOST.search(call.host) else ""


def _vertex(call: Whereabouts) -> str:
    if call.scope in {"regional", "multi_region", "multi-region", "multiregion"}:
        return "regional"
    if call.scope == "global":
        return ""
    kept = call.region or call.residency
    return "regional" if kept not in _WORLD or _VERTEX_HOST.search(call.host) else ""


def _bedrock(call: Whereabouts) -> str:
    return "" if call.scope == "global" else call.region


RULES = (
    PlaceRule("openai", _openai, "https://developers.openai.com/api/docs/guides/data-residency"),
    PlaceRule(
        "anthropic", _anthropic, "https://platform.claude.com/docs/en/manage-claude/data-residency"
    ),
    PlaceRule("x_ai", _xai, "https://docs.x.ai/developers/advanced-api-usage/regions"),
    PlaceRule("mistral_ai", _mistral, "https://docs.mistral.ai/inference/regional-inference"),
    PlaceRule("gcp.vertex_ai", _vertex, "https://cloud.google.com/vertex-ai/generative-ai/pricing"),
    PlaceRule("aws.bedrock", _bedrock, "https://aws.amazon.com/bedrock/pricing/"),
)
_BY_PROVIDER = {rule.provider: rule.find for rule in RULES}


def place_of_call(provider: str | None, whereabouts: Whereabouts) -> str:
    """Return the place that may change the price of a call; '' where none does."""
    find = _BY_PROVIDER.get(provider or "")
    if find is None or not any(whereabouts):
        return ""
    return find(Whereabouts(*(part.strip().lower() for part in whereabouts)))
