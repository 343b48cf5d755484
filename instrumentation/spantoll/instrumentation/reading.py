"""Compiles tables of paths to functions that read attributes out of requests and responses.

Input: a `Table` (attribute key -> where its value is). Output: a function from a mapping or object
to the attributes it has; what is not there, or cannot be an attribute, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

__all__ = [
    "AsIs",
    "Reading",
    "Sum",
    "Table",
    "Value",
    "Via",
    "nest_table",
    "pick",
    "plain",
    "reader",
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


class _Leaf(NamedTuple):
    key: str
    rank: int
    """Place among alternatives, -1 for the only path of a key, ADD for a summand."""
    convert: Callable[[Any], Any] | None
    as_is: bool = False


ADD = -2


class _Node:
    """A name in the source, what to take there, and what is below it."""

    __slots__ = ("below", "each", "leaves")

    def __init__(self) -> None:
        self.leaves: list[_Leaf] = []
        self.below: dict[str, _Node] = {}
        self.each: dict[str, _Node] = {}


def reader(table: Table) -> Callable[[Any], dict[str, Any]]:
    """Compile a table to a function that reads what a source has; other keys are absent.

    The function is written out as code, a step per name, shared prefixes once: reading a response
    is on the path of every call, and walking the table costs four times as much.
    """
    root = _Node()
    computed: list[tuple[str, Callable[[Any], Any]]] = []
    for key, reading in table.items():
        if callable(reading):
            computed.append((key, _lenient(reading)))
        elif isinstance(reading, Sum):
            for summand in reading.paths:
                _add_path(root, summand, key, ADD)
        elif isinstance(reading, AsIs):
            for rank, path in enumerate(reading.paths):
                _add_path(root, path, key, rank, as_is=True)
        elif isinstance(reading, tuple):
            for rank, alternative in enumerate(reading):
                _add_path(root, alternative, key, rank)
        else:
            _add_path(root, reading, key, -1)
    code = _Code()
    code.visit(root.below, "source", 1)
    read: Callable[[Any], dict[str, Any]] = code.compile("source", "return found")
    if len(root.below) >= MANY_NAMES:
        read = _with_small_dicts(read, root.below)
    return _with_computed(read, tuple(computed)) if computed else read


MANY_NAMES = 16
"""Names of a table from which a small dict is read by its own names: a request has 4 of 24."""


def _with_small_dicts(
    read: Callable[[Any], dict[str, Any]], nodes: dict[str, _Node]
) -> Callable[[Any], dict[str, Any]]:
    """Read a dict with fewer names than the table by the names that it has."""
    steps: dict[str, Callable[[Any, dict[str, Any], dict[str, int]], None]] = {}
    for name, node in nodes.items():
        code = _Code()
        code.take(node, "value0", 1)
        steps[name] = code.compile("value0, found, ranks")
    most = len(steps)

    def read_by_name(source: Any) -> dict[str, Any]:
        if type(source) is not dict or len(source) >= most:
            return read(source)
        found: dict[str, Any] = {}
        ranks: dict[str, int] = {}
        for name, value in source.items():
            if value is not None and (step := steps.get(name)) is not None:
                step(value, found, ranks)
        return found

    return read_by_name


class _Code:
    """Writes the steps of a reader."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}

    def compile(self, parameters: str, end: str = "return") -> Callable[..., Any]:
        """Return the function of the steps that were written."""
        start = "    found, ranks = {}, {}" if "found" not in parameters else ""
        body = "\n".join((f"def read({parameters}):", start, *self.lines, f"    {end}"))
        scope = {
            "get_of": _getter,
            "put": _put,
            "add": _add,
            "rank_of": _rank_of,
            "rank_as_is": _rank_as_is,
            "each": _each,
            **self.names,
        }
        exec(body, scope)  # noqa: S102 - its parts are the literals of a table, quoted by repr
        return scope["read"]  # type: ignore[no-any-return]  # made by `exec`

    def visit(self, nodes: dict[str, _Node], source: str, depth: int) -> None:
        """Write the steps that read what the nodes name from `source`, a variable."""
        get, value = f"get{depth}", f"value{depth}"
        self._line(depth, f"{get} = get_of({source})")
        for name, node in nodes.items():
            self._line(depth, f"if ({value} := {get}({name!r})) is not None:")
            self.take(node, value, depth + 1)

    def take(self, node: _Node, value: str, depth: int) -> None:
        """Write the steps that take a node's value, and what is below it, from a variable."""
        for leaf in node.leaves:
            self._take(leaf, value, depth)
        for item, below in node.each.items():
            key = below.leaves[0].key
            self._line(depth, f"each(found, {key!r}, {value}, {item!r})")
        if node.below:
            self.visit(node.below, value, depth)

    def _take(self, leaf: _Leaf, value: str, depth: int) -> None:
        if leaf.convert is not None:
            name = f"convert{len(self.names)}"
            self.names[name] = _lenient(leaf.convert)
            self._line(depth, f"taken = {name}({value})")
            value = "taken"
        if leaf.as_is:
            self._line(depth, f"rank_as_is(found, ranks, {leaf.key!r}, {value}, {leaf.rank})")
        elif leaf.rank >= 0:
            self._line(depth, f"if {value}.__class__ is int:")
            better = depth + 1
            if leaf.rank > 0:
                self._line(better, f"if ranks.get({leaf.key!r}, 1_000) > {leaf.rank}:")
                better += 1
            self._line(better, f"found[{leaf.key!r}] = {value}")
            self._line(better, f"ranks[{leaf.key!r}] = {leaf.rank}")
            self._line(depth, "else:")
            self._line(depth + 1, f"rank_of(found, ranks, {leaf.key!r}, {value}, {leaf.rank})")
        elif leaf.rank == ADD:
            self._line(depth, f"add(found, {leaf.key!r}, {value})")
        else:
            self._line(
                depth,
                f"if (kind := {value}.__class__) is int or (kind is str and {value})"
                " or kind is float:",
            )
            self._line(depth + 1, f"found[{leaf.key!r}] = {value}")
            self._line(depth, "else:")
            self._line(depth + 1, f"put(found, {leaf.key!r}, {value})")

    def _line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)


def _with_computed(
    read: Callable[[Any], dict[str, Any]], computed: tuple[tuple[str, Callable[[Any], Any]], ...]
) -> Callable[[Any], dict[str, Any]]:
    def read_and_compute(source: Any) -> dict[str, Any]:
        found = read(source)
        for key, function in computed:
            value = function(source)
            if type(value) is dict:
                found[key] = value
            elif value is not None:
                _put(found, key, value)
        return found

    return read_and_compute


def _lenient(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return None where a value has another shape than expected; other values are still read."""

    def read(value: Any) -> Any:
        try:
            return function(value)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return None

    return read


def _put(found: dict[str, Any], key: str, value: Any) -> None:
    usable = plain(value)
    if usable is not None:
        found[key] = usable


def _add(found: dict[str, Any], key: str, value: Any) -> None:
    summand = plain(value)
    if isinstance(summand, int | float):
        found[key] = found.get(key, 0) + summand


def _rank_of(found: dict[str, Any], ranks: dict[str, int], key: str, value: Any, rank: int) -> None:
    usable = plain(value)
    if usable is not None and rank < ranks.get(key, 1_000):
        found[key] = usable
        ranks[key] = rank


def _rank_as_is(
    found: dict[str, Any], ranks: dict[str, int], key: str, value: Any, rank: int
) -> None:
    if rank < ranks.get(key, 1_000):
        found[key] = value
        ranks[key] = rank


def _each(found: dict[str, Any], key: str, items: Any, name: str) -> None:
    if isinstance(items, list | tuple):
        values = tuple([_getter(item)(name) for item in items])
        if len(values) == 1 and type(values[0]) is str:
            found[key] = values
        else:
            _put(found, key, values)


def pick(source: Any, path: str) -> Any:
    """Follow a dotted path through mappings and objects; None where it ends early."""
    for name in path.split("."):
        if source is None:
            return None
        source = _getter(source)(name)
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


def _add_path(node: _Node, path: Path, key: str, rank: int, *, as_is: bool = False) -> None:
    convert = path.convert if isinstance(path, Via) else None
    level = node.below
    for step in (path.path if isinstance(path, Via) else path).split("."):
        node = level.setdefault(step.removesuffix("[]"), _Node())
        level = node.each if step.endswith("[]") else node.below
    node.leaves.append(_Leaf(key, rank, convert, as_is))


_models: dict[type, bool] = {}


def _getter(source: Any) -> Callable[[str], Any]:
    """Return the fastest function that reads a field by name, None where there is none."""
    kind = type(source)
    if kind is dict:
        return source.get  # type: ignore[no-any-return]  # a dict, by its exact type
    is_model = _models.get(kind)
    if is_model is None:
        is_model = _models[kind] = hasattr(kind, "__pydantic_fields__")
    if is_model:
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
