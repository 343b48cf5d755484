from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

__all__ = ["Reader", "Reading", "Sum", "Table", "Value", "pick", "plain"]

Value = str | bool | int | float | tuple[str, ...] | tuple[int, ...] | tuple[float, ...]
"""What an OpenTelemetry attribute can hold."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Paths whose numbers are added: a provider tells the parts, the convention wants the total.

    Absent parts count as nothing; without any part there is no total.
    """

    paths: tuple[str, ...]

    def __init__(self, *paths: str) -> None:
        object.__setattr__(self, "paths", paths)


Reading = str | tuple[str, ...] | Sum | Callable[[Any], Any]
"""Where a value is: a dotted path, several in order of preference, a sum, or a function.

A path works on mappings and objects alike. `choices[].finish_reason` reads a list. A function gets
the whole source and returns the value, or None where there is none.
"""

Table = Mapping[str, Reading]
"""Attribute key -> where its value is."""


class _Leaf(NamedTuple):
    key: str
    rank: int
    """Place among alternatives, -1 for the only path of a key."""
    adds: bool


class _Node(NamedTuple):
    name: str
    leaves: tuple[_Leaf, ...]
    below: tuple[_Node, ...]


class Reader:
    """A table compiled to one walk over the source, shared prefixes being visited once."""

    __slots__ = ("_computed", "_nodes")

    def __init__(self, table: Table) -> None:
        tree: dict[str, Any] = {}
        computed: list[tuple[str, Callable[[Any], Any]]] = []
        for key, reading in table.items():
            if callable(reading):
                computed.append((key, reading))
            elif isinstance(reading, str) and "[]." in reading:
                computed.append((key, _each(reading)))
            elif isinstance(reading, str):
                _plant(tree, reading, _Leaf(key, -1, False))
            elif isinstance(reading, Sum):
                for path in reading.paths:
                    _plant(tree, path, _Leaf(key, -1, True))
            else:
                for rank, path in enumerate(reading):
                    _plant(tree, path, _Leaf(key, rank, False))
        self._nodes = _freeze(tree)
        self._computed = tuple(computed)

    def read(self, source: Any) -> dict[str, Any]:
        """Find what the source tells; keys it says nothing about are absent."""
        found: dict[str, Any] = {}
        _walk(self._nodes, source, found, {})
        for key, function in self._computed:
            value = function(source)
            if not isinstance(value, dict):
                value = plain(value)
            if value is not None:
                found[key] = value
        return found


def pick(source: Any, path: str) -> Any:
    """Follow a dotted path through mappings and objects; None where it ends early."""
    for name in path.split("."):
        if source is None:
            return None
        source = source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
    return source


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
        same = {type(item) for item in items}
        return items if same in ({str}, {int}, {float}) else None  # type: ignore[return-value]
    for base in (str, int, float):
        if isinstance(value, base):
            return base(value)
    return None


def _plant(tree: dict[str, Any], path: str, leaf: _Leaf) -> None:
    branch: dict[str, Any] = {"leaves": [], "below": tree}
    for name in path.split("."):
        branch = branch["below"].setdefault(name, {"leaves": [], "below": {}})
    branch["leaves"].append(leaf)


def _freeze(tree: dict[str, Any]) -> tuple[_Node, ...]:
    return tuple(
        _Node(name, tuple(branch["leaves"]), _freeze(branch["below"]))
        for name, branch in tree.items()
    )


def _walk(
    nodes: tuple[_Node, ...], source: Any, found: dict[str, Any], ranks: dict[str, int]
) -> None:
    extra = None
    if isinstance(source, dict):
        get: Any = source.get
    elif hasattr(type(source), "__pydantic_fields__"):
        # A missing field of a pydantic model costs a formatted AttributeError: ask its dicts.
        get = source.__dict__.get
        extra = source.__pydantic_extra__
    else:
        get = _getter(source)
    for name, leaves, below in nodes:
        value = get(name)
        if value is None and (not extra or (value := extra.get(name)) is None):
            continue
        if below:
            _walk(below, value, found, ranks)
        for key, rank, adds in leaves:
            kind = type(value)
            usable = value if kind is int or (kind is str and value) else plain(value)
            if usable is None:
                continue
            if adds:
                found[key] = found.get(key, 0) + usable
            elif rank < 0:
                found[key] = usable
            elif rank < ranks.get(key, 1_000):
                found[key] = usable
                ranks[key] = rank


def _getter(source: Any) -> Callable[[str], Any]:
    if isinstance(source, Mapping):
        return source.get
    return lambda name: getattr(source, name, None)


def _each(path: str) -> Callable[[Any], Any]:
    head, _, tail = path.partition("[].")

    def read(source: Any) -> Any:
        items = pick(source, head)
        return plain([pick(item, tail) for item in items]) if items else None

    return read
