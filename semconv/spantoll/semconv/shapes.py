"""Plans by shape: what is read from spans that carry the same attribute keys, decided once.

Spans of one instrumentation have few sets of keys, so what each key means is looked up once for a
set and kept. `Plan` leads from the keys of a span to fields and metadata, `Conversion` from the
fields that were found to the counters, the attribution and the optional fields of a call. What
follows from the values that spans share, such as provider and model, is kept too: `Constants`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from spantoll.semconv import attributes as keys
from spantoll.semconv.call import Attribution, ModelCall, Role
from spantoll.semconv.dialect import AttributeValue
from spantoll.semconv.fields import FIELDS, Converters, Field
from spantoll.semconv.kept import metadata_name

__all__ = [
    "MAX_SHAPES",
    "OPTIONAL",
    "Constants",
    "Conversion",
    "Plan",
    "find_conversion",
    "keep_constants",
    "keep_plan",
    "make_plan",
]

MAX_SHAPES = 1_024
MAX_SHAPE_CHARS = 8_192
MAX_CONSTANTS = 4_096
MAX_KEYS = 16_384
MAX_KEY_CHARS = 256
"""Bounds of what is kept, because applications may make up keys and values without end: sets of
keys of a dialect, characters of a set, sets of constant values, keys, characters of a key."""

OPTIONAL = tuple(ModelCall._field_defaults)
"""The optional fields of a call, which are its last ones."""


CACHED_TOKENS = re.compile(r"cache.*token|token.*cache", re.IGNORECASE)
"""Keys of which a number may be cached tokens: `llm.usage.cacheReadInputTokens`."""
NO_TOKENS = re.compile(r"cost|price|usd|rati?o|rate$|percent|limit|max|ttl|saved", re.IGNORECASE)
"""... unless it is what they cost, their share or a limit."""


class Plan(NamedTuple):
    """What is read from a span of one set of keys."""

    fields: tuple[str, ...]
    pick: Callable[[Mapping[str, AttributeValue]], tuple[Any, ...]]
    """Returns the values of `fields`."""
    metadata: tuple[tuple[str, str], ...]
    """Attribute key and its name as metadata."""
    units: tuple[tuple[str, str], ...]
    """Attribute key and the unit of usage it names."""
    unread_cache: tuple[str, ...]
    """Keys that name cached tokens and are read as nothing."""


class Constants(NamedTuple):
    """What follows from the values that do not vary from span to span."""

    role: Role
    head: tuple[str | None, ...]
    """The fields of a call from `operation` to `response_model`."""
    provider: str | None
    note: str | None
    """Why the provider is not the one the span names."""
    optional: tuple[Any, ...]
    """The optional fields of a call."""


class Conversion(NamedTuple):
    """What becomes of the fields that were found."""

    counters: tuple[str, ...]
    pick_constants: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    """Returns the values that `Constants` follow from."""
    constant: Converters
    """To the optional fields of a call, which are its last ones."""
    varying: Converters
    """The same, for fields whose values vary from span to span."""
    attribution: Converters


def make_plan(shape: Sequence[str], index: Mapping[str, tuple[str, int]]) -> Plan:
    """Plan for attribute keys; `index` has the field of a key and its rank, the lowest wins."""
    found: dict[str, tuple[int, str]] = {}
    metadata: list[tuple[str, str]] = []
    units: list[tuple[str, str]] = []
    unread: list[str] = []
    for key in shape:
        name, rank = index.get(key, (None, 0))
        if name is not None and (name not in found or rank < found[name][0]):
            found[name] = rank, key
        unit, label, is_cache = _labels.get(key) or _name_key(key)
        if is_cache and name is None:
            unread.append(key)
        if unit is not None:
            units.append((key, unit))
        if label is not None:
            metadata.append((key, label))
    picked = [key for _, key in found.values()]
    picker = _make_picker(picked)
    return Plan(tuple(found), picker, tuple(metadata), tuple(units), tuple(unread))


def keep_plan(plans: dict[tuple[str, ...], Plan], shape: tuple[str, ...], plan: Plan) -> None:
    """Keep a plan for the next span; what is kept is forgotten when it is too much."""
    if sum(map(len, shape)) <= MAX_SHAPE_CHARS:
        if len(plans) >= MAX_SHAPES:
            plans.clear()
        plans[shape] = plan


Label = tuple[str | None, str | None, bool]
_labels: dict[str, Label] = {}


def _name_key(key: str) -> Label:
    """Name the unit of usage a key stands for, or the metadata; True if it names cached tokens."""
    if key.startswith(keys.SPANTOLL_USAGE_PREFIX):
        names: Label = key.removeprefix(keys.SPANTOLL_USAGE_PREFIX), None, False
    else:
        names = None, metadata_name(key), _names_cached_tokens(key)
    if len(key) <= MAX_KEY_CHARS:
        if len(_labels) >= MAX_KEYS:
            _labels.clear()
        _labels[key] = names
    return names


def _names_cached_tokens(key: str) -> bool:
    return (
        len(key) <= MAX_KEY_CHARS
        and CACHED_TOKENS.search(key) is not None
        and NO_TOKENS.search(key) is None
    )


def _make_picker(picked: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(picked) > 1:
        return itemgetter(*picked)
    return lambda attributes: tuple(attributes[key] for key in picked)


def keep_constants(
    kept: dict[tuple[Any, ...], Constants], key: tuple[Any, ...], constants: Constants
) -> None:
    """Keep what follows from the values of a key, as `keep_plan` keeps plans."""
    if len(repr(key)) <= MAX_SHAPE_CHARS:
        if len(kept) >= MAX_CONSTANTS:
            kept.clear()
        kept[key] = constants


def _make_converters(fields: Iterable[Field], part: str, targets: Sequence[str]) -> Converters:
    return tuple(
        (field.name, targets.index(field.target), field.convert)
        for field in fields
        if field.part == part
    )


_conversions: dict[tuple[str, ...], Conversion] = {}


def find_conversion(names: tuple[str, ...]) -> Conversion:
    """Return what becomes of these fields. Raises UnknownField."""
    conversion = _conversions.get(names)
    if conversion is None:
        fields = [FIELDS[name] for name in names]
        conversion = Conversion(
            tuple(field.name for field in fields if field.part == "usage"),
            _make_picker([field.name for field in fields if not field.varies]),
            _make_converters((field for field in fields if not field.varies), "call", OPTIONAL),
            _make_converters((field for field in fields if field.varies), "call", OPTIONAL),
            _make_converters(fields, "attribution", Attribution._fields),
        )
        if len(_conversions) >= MAX_SHAPES:
            _conversions.clear()
        _conversions[names] = conversion
    return conversion
