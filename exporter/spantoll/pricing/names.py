"""Model names: the spellings of one model, and what a name cannot say.

Input: a price list and the name a call carries. Output: the names under which the list may know it,
the most literal first; no spelling drops a version or a size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from spantoll.pricing import aliases

__all__ = [
    "explain_opaque_name",
    "is_bedrock_id",
    "is_bedrock_profile",
    "known_name",
    "list_spellings",
    "split_provider",
]

_COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
_ARN = re.compile(r"arn:aws[\w-]*:bedrock:[\w-]*:\d*:(?P<kind>[\w-]+)/(?P<id>.+)")
_NAMED_ARNS = frozenset({"foundation-model", "inference-profile"})
_GEOGRAPHY = re.compile(r"(?!global\.)[a-z]{2,4}(?:-gov)?\.(?=[a-z0-9]+\.)")
"""`us.`, `eu.`, `apac.`, `us-gov.` before `vendor.model`; `global.` has its own price."""
LONG_CONTEXT = "[1m]"
"""What Claude Code appends to a model it asks for a context of a million tokens. The price is that
of the model: long requests pay by their length."""
_BEDROCK_ID = re.compile(
    r"((global|[a-z]{2,4}(-gov)?)\.)?(ai21|amazon|anthropic|cohere|meta|mistral)\.[a-z]|arn:aws[\w-]*:bedrock:"
)


@lru_cache(maxsize=256)
def list_spellings(price_list: str, model: str) -> tuple[str, ...]:
    """Return the names under which `price_list` may know `model`, the most literal first."""
    names = _yield_spellings(price_list, model.strip().lower())
    return tuple(dict.fromkeys(name for name in names if name))


def _yield_spellings(price_list: str, name: str) -> Iterator[str]:
    yield name
    if name.endswith(LONG_CONTEXT):
        name = name.removesuffix(LONG_CONTEXT)
        yield name
    arn = _ARN.fullmatch(name)
    if arn is not None:
        name = arn["id"] if arn["kind"] in _NAMED_ARNS else ""
        yield name
    if price_list == "google":
        # publishers/google/models/gemini-2.5-pro, projects/../models/.., models/..
        name = name.rpartition("models/")[2]
        yield name
    provider, bare = split_provider(name)
    if provider is not None and aliases.PROVIDERS.get(provider, provider) == price_list:
        name = bare
        yield name
    if price_list == "aws":
        name = name.rpartition("/")[2]
        yield name
        yield _GEOGRAPHY.sub("", name, count=1)
    for stem, vendor in aliases.VENDORS.get(price_list, ()):
        if name.startswith(stem):
            yield vendor + name
    if name.startswith("ft:"):
        yield known_name(name)
    yield _COMPACT_DATE.sub(r"-\1-\2-\3", name)


def known_name(model: str) -> str:
    """Return the part of a name that must be known: without path, and a fine-tune's base.

    `google/gemini-2.0-flash` is `gemini-2.0-flash`; `ft:gpt-4o-2024-08-06:acme::x` is
    `ft:gpt-4o-2024-08-06`; `gpt-4o-2024-08-06.ft-x` is `gpt-4o-2024-08-06.ft-`.
    """
    name = model.rpartition("/")[2]
    if name.startswith("ft:"):
        return ":".join(name.split(":")[:2])
    base, mark, _ = name.partition(".ft-")
    return base + mark


def is_bedrock_id(model: str) -> bool:
    """Return True if a name has the form only Bedrock gives: `us.anthropic.claude-...-v1:0`."""
    return _BEDROCK_ID.match(model.lower()) is not None


def is_bedrock_profile(model: str) -> bool:
    """Return True if a Bedrock id names an inference profile: `global.`, `us.`, or an ARN."""
    return (
        model.lower().startswith(("global.", "arn:")) or _GEOGRAPHY.match(model.lower()) is not None
    )


def split_provider(model: str) -> tuple[str | None, str]:
    """Split `provider/model` or `provider:model` where the head is a provider we know."""
    for separator in "/:":
        head, found, rest = model.partition(separator)
        if found and rest and head in aliases.PROVIDERS:
            return head, rest
    return None, model


def explain_opaque_name(provider: str, model: str) -> str | None:
    """Explain why a name cannot identify its model, and what to do; None if it could."""
    name = model.lower()
    if name.startswith("arn:"):
        arn = _ARN.fullmatch(name)
        if arn is None or arn["kind"] not in _NAMED_ARNS:
            return (
                "an application inference profile or provisioned ARN does not say which model it"
                f" runs: give ({provider}, {model}) a price row"
            )
    if aliases.PROVIDERS.get(provider) == "azure":
        return (
            "an Azure deployment name does not say which model it runs: have the span carry"
            f" gen_ai.response.model, or give ({provider}, {model}) a price row"
        )
    return None
