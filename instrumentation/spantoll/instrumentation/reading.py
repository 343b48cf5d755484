"""Where the values of requests and responses are: tables of paths, and how a path is followed.

A `Table` names, for each attribute key, the places of its value; `compiler.compile_table` makes it
a function. A path works on mappings, pydantic models and any other objects alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = [
    "AsIs",
    "Path",
    "Reading",
    "Sum",
    "Table",
    "Value",
    "Via",
    "field_getter",
    "is_model",
    "nest_table",
    "pick",
    "plain",
]

Value = str | bool | int | float | tuple[str, ...] | tuple[int, ...] | tuple[float, ...]
"""What an OpenTelemetry attribute can hold."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Paths whose numbers are added: a provider reports the parts, the convention wants the total.

    Absent parts count as nothing; without any part there is no total.
    """

    paths: tuple[str, ...]

    def __init__(self, *paths: str) -> None:
        object.__setattr__(self, "paths", paths)


@dataclass(frozen=True, slots=True)
class AsIs:
    """Paths, in order of preference, whose value is taken as it is, also where no attribute can be.

    Whoever calls the reader takes such values out.
    """

    paths: tuple[str, ...]

    def __init__(self, *paths: str) -> None:
        object.__setattr__(self, "paths", paths)


@dataclass(frozen=True, slots=True)
class Via:
    """A path whose value a function turns into the attribute's; None: there is none."""

    path: str
    convert: Callable[[Any], Any]


Path = str | Via
Reading = Path | tuple[Path, ...] | Sum | AsIs | Callable[[Any], Any]
"""Where a value is: a dotted path, several in order of preference, a sum, or a function.

A path works on mappings and objects alike. `choices[].finish_reason` reads a field of every item. A
function gets the whole source, and is called for every source: prefer `Via`, which is free where
there is nothing.
"""

Table = Mapping[str, Reading]
"""Attribute key -> where its value is."""


def pick(source: Any, path: str) -> Any:
    """Follow a dotted path through mappings and objects; None where it ends early."""
    for name in path.split("."):
        if source is None:
            return None
        source = field_getter(source)(name)
    return source


_ITEMS = {str, int, float}


def plain(value: Any) -> Value | None:
    """Turn a value into what an attribute can hold; None for what it cannot, and for ''."""
    kind = type(value)
    if kind is int or kind is bool or kind is float:
        return value  # type: ignore[no-any-return]  # narrowed by its exact type
    if kind is str:
        return value or None
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, list | tuple):
        items = tuple(plain(item) for item in value)
        kinds = {type(item) for item in items}
        return items if len(kinds) == 1 and kinds <= _ITEMS else None  # type: ignore[return-value]
    for base in (str, int, float):
        if isinstance(value, base):
            return base(value)
    return None


_models: dict[type, bool] = {}


def is_model(kind: type) -> bool:
    """Return whether a type is a pydantic model (version 2)."""
    known = _models.get(kind)
    if known is None:
        known = _models[kind] = hasattr(kind, "__pydantic_fields__")
    return known


def field_getter(source: Any) -> Callable[[str], Any]:
    """Return the fastest function that reads a field by name, None where there is none."""
    kind = type(source)
    if kind is dict:
        return source.get  # type: ignore[no-any-return]  # a dict, by its exact type
    if is_model(kind):
        # A missing field of a pydantic model costs a formatted AttributeError: read its dicts.
        extra = source.__pydantic_extra__
        fields = source.__dict__
        return (fields | extra).get if extra else fields.get  # type: ignore[no-any-return]  # dicts
    if isinstance(source, Mapping):
        return source.get
    return lambda name: getattr(source, name, None)


def nest_table(path: str, table: Table) -> Table:
    """Return a table of the same values one level below `path`."""

    def lower(reading: Any) -> Any:
        if isinstance(reading, Via):
            return Via(f"{path}.{reading.path}", reading.convert)
        if isinstance(reading, str):
            return f"{path}.{reading}"
        if isinstance(reading, tuple):
            return tuple(lower(alternative) for alternative in reading)
        if isinstance(reading, Sum | AsIs):
            return type(reading)(*(f"{path}.{each}" for each in reading.paths))
        return lambda source: reading(pick(source, path))

    return {key: lower(reading) for key, reading in table.items()}
