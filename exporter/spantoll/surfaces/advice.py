"""What to do about a call without a full price: a command that can be pasted as it is.

Input: provider, model and the reason on the record. Output: `spantoll prices set ...`, which asks
for the amounts, `spantoll aliases set ...`, which asks for the model, or what else helps.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from spantoll.pricing.names import explain_opaque_name
from spantoll.pricing.own_units import parse_metric
from spantoll.settings import Settings, load_settings
from spantoll.storage import hide_password

__all__ = ["NO_USAGE", "advise_unpriced", "name_database"]

NO_USAGE = (
    "the spans carry no usage: calls that timed out have none, and streams of OpenAI's API need "
    "stream_options include_usage"
)
_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "no_model": "the instrumentation does not report the model; upgrade or replace it",
        "no_usage": NO_USAGE,
        "out_of_range": "token counts of the spans are outside the possible range",
    }
)
_WITHOUT_PRICE = "no price for "


def name_database(settings: Settings) -> tuple[str, ...]:
    """Return the option that leads a command to this ledger; none where it would go there."""
    if settings.database == load_settings().database:
        return ()
    return ("--database", hide_password(settings.database))


def advise_unpriced(
    provider: object, model: object, reason: str, *, options: Sequence[str] = ()
) -> str:
    """Return what to do about calls of a model whose cost is unknown or partial; '' if nothing.

    `provider` and `model` are None where no span named them; `options` are added to a command.
    """
    named, called = (None if name is None else str(name) for name in (provider, model))
    words = _choose_command(named, called, reason)
    return shlex.join([*words, *options]) if words else _TEXTS.get(reason.partition(":")[0], "")


def _choose_command(provider: str | None, model: str | None, reason: str) -> list[str]:
    if model is None:
        return []
    if _WITHOUT_PRICE in reason and not reason.startswith("unknown_"):
        metrics = _missing_metrics(reason)
        return ["spantoll", "prices", "set", provider or "*", model, *metrics] if metrics else []
    if not reason.startswith(("unknown_model", "unknown_provider")):
        return []
    if provider is not None and explain_opaque_name(provider, model) is not None:
        return ["spantoll", "aliases", "set", provider, model]
    return ["spantoll", "prices", "set", provider or "*", model]


def _missing_metrics(reason: str) -> list[str]:
    """Name the metrics that a reason says have no price; none where it says something else."""
    names = []
    for part in reason.split(_WITHOUT_PRICE)[1:]:
        for name in part.partition(";")[0].split(", "):
            try:
                metric = parse_metric(name).metric
            except ValueError:
                return []
            names.append(re.sub("_ms$", "_minutes", metric))
    return list(dict.fromkeys(names))
