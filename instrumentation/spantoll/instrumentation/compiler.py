"""Compiles tables of paths to functions that read attributes out of requests and responses.

Input: a `reading.Table`. Output: a function from a mapping or object to the attributes it has; what
is not there, or cannot be an attribute, is left out. The functions are written out as code, a step
per name, because reading a response is on the path of every call and walking the table costs four
times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from spantoll.instrumentation.reading import (
    AsIs,
    Path,
    Sum,
    Table,
    Via,
    field_getter,
    is_model,
    plain,
)

__all__ = ["compile_table"]

Found = dict[str, Any]
Ranks = dict[str, int]
"""Attribute key -> place among its alternatives of the path whose value was taken."""
Read = Callable[[Any, Found, Ranks], None]
"""Puts what a source has into the values found so far."""

MANY_NAMES = 16
"""Names of a table from which a small dict is read by its own names: a request has 4 of 24."""
MOST_KINDS = 64
"""Types of sources that one place of a table has a function for. An SDK returns one to three; an
application that makes a type per call must not fill memory. Compiling one takes 0.2 ms."""


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


def compile_table(table: Table) -> Callable[[Any], Found]:
    """Compile a table to a function that reads what a source has; other keys are absent."""
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
    readers = _Readers(root.below)

    def read(source: Any) -> Found:
        found: Found = {}
        readers[source.__class__](source, found, {})
        return found

    return _with_computed(read, tuple(computed)) if computed else read


class _Readers(dict[type, Read]):
    """The functions that read one place of a table, by the type of the source there."""

    def __init__(self, nodes: Mapping[str, _Node]) -> None:
        self._nodes = nodes
        self._any = _compile_any(nodes)

    def __missing__(self, kind: type) -> Read:
        if len(self) >= MOST_KINDS:
            return self._any
        read = self[kind] = self._compile(kind)
        return read

    def _compile(self, kind: type) -> Read:
        if kind is dict:
            return _compile_by_name(self._nodes, self._any)
        if is_model(kind):
            return _compile_model(self._nodes, self._any, kind)
        return self._any


def _compile_any(nodes: Mapping[str, _Node]) -> Read:
    """Compile the function that looks every name up, in any kind of source."""
    code = _Code()
    code.add_line("get = field_getter(source)")
    code.look_up(nodes)
    return code.compile("source, found, ranks", {"field_getter": field_getter})


def _compile_model(nodes: Mapping[str, _Node], read_any: Read, kind: Any) -> Read:
    """Compile the function that looks up the names that a pydantic model can have.

    Those it declares, and private ones, which an SDK may set on any model (`_request_id`).
    """
    declared = {
        name: node
        for name, node in nodes.items()
        if name in kind.__pydantic_fields__ or name.startswith("_")
    }
    code = _Code()
    # Undeclared fields, where a model has any, are beside its own.
    code.add_line("if source.__pydantic_extra__:")
    code.add_line("    return read_any(source, found, ranks)")
    code.add_line("get = source.__dict__.get")
    code.look_up(declared)
    return code.compile("source, found, ranks", {"read_any": read_any})


def _compile_by_name(nodes: Mapping[str, _Node], read_any: Read) -> Read:
    """Return a function that reads a dict with fewer names than the table by the names it has."""
    most = len(nodes)
    if most < MANY_NAMES:
        return read_any
    steps: dict[str, Read] = {}
    for name, node in nodes.items():
        code = _Code()
        code.take(node, 1)
        steps[name] = code.compile("value, found, ranks")

    def read_by_name(source: Any, found: Found, ranks: Ranks) -> None:
        if len(source) >= most:
            read_any(source, found, ranks)
            return
        for name, value in source.items():
            if value is not None and name in steps:
                steps[name](value, found, ranks)

    return read_by_name


class _Code:
    """Writes the steps of a reader."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[str, Any] = {
            "put": _put,
            "add": _add,
            "put_ranked": _put_ranked,
            "put_as_is": _put_as_is,
            "put_each": _put_each,
        }

    def compile(self, parameters: str, names: Mapping[str, Any] | None = None) -> Read:
        """Return the function of the steps that were written."""
        body = "\n".join((f"def read({parameters}):", *self._lines, "    return None"))
        scope = {**self._names, **(names or {})}
        exec(body, scope)  # noqa: S102 - its parts are the literals of a table, quoted by repr
        return scope["read"]  # type: ignore[no-any-return]  # made by `exec`

    def look_up(self, nodes: Mapping[str, _Node]) -> None:
        """Write the steps that look each name up with `get` and take its value."""
        for name, node in nodes.items():
            self.add_line(f"if (value := get({name!r})) is not None:")
            self.take(node, 2)

    def take(self, node: _Node, depth: int) -> None:
        """Write the steps that take `value`, and what is below it, for a node."""
        for leaf in node.leaves:
            self._take_leaf(leaf, depth)
        for item, below in node.each.items():
            self.add_line(f"put_each(found, {below.leaves[0].key!r}, value, {item!r})", depth)
        if node.below:
            readers = self._name(_Readers(node.below))
            self.add_line(f"{readers}[value.__class__](value, found, ranks)", depth)

    def _take_leaf(self, leaf: _Leaf, depth: int) -> None:
        value = "value"
        if leaf.convert is not None:
            self.add_line(f"taken = {self._name(_lenient(leaf.convert))}(value)", depth)
            value = "taken"
        if leaf.as_is:
            self.add_line(f"put_as_is(found, ranks, {leaf.key!r}, {value}, {leaf.rank})", depth)
        elif leaf.rank >= 0:
            better = f" and ranks.get({leaf.key!r}, {leaf.rank + 1}) > {leaf.rank}"
            self.add_line(f"if {value}.__class__ is int{better if leaf.rank else ''}:", depth)
            self.add_line(f"    found[{leaf.key!r}] = {value}", depth)
            self.add_line(f"    ranks[{leaf.key!r}] = {leaf.rank}", depth)
            self.add_line("else:", depth)
            self.add_line(
                f"    put_ranked(found, ranks, {leaf.key!r}, {value}, {leaf.rank})", depth
            )
        elif leaf.rank == ADD:
            self.add_line(f"add(found, {leaf.key!r}, {value})", depth)
        else:
            self.add_line(
                f"if (kind := {value}.__class__) is int or (kind is str and {value})"
                " or kind is float:",
                depth,
            )
            self.add_line(f"    found[{leaf.key!r}] = {value}", depth)
            self.add_line("else:", depth)
            self.add_line(f"    put(found, {leaf.key!r}, {value})", depth)

    def _name(self, value: Any) -> str:
        name = f"name{len(self._names)}"
        self._names[name] = value
        return name

    def add_line(self, text: str, depth: int = 1) -> None:
        """Add a line at a depth of indentation."""
        self._lines.append("    " * depth + text)


def _with_computed(
    read: Callable[[Any], Found], computed: tuple[tuple[str, Callable[[Any], Any]], ...]
) -> Callable[[Any], Found]:
    def read_and_compute(source: Any) -> Found:
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


def _put(found: Found, key: str, value: Any) -> None:
    usable = plain(value)
    if usable is not None:
        found[key] = usable


def _add(found: Found, key: str, value: Any) -> None:
    summand = plain(value)
    if isinstance(summand, int | float):
        found[key] = found.get(key, 0) + summand


def _put_ranked(found: Found, ranks: Ranks, key: str, value: Any, rank: int) -> None:
    usable = plain(value)
    if usable is not None and ranks.get(key, rank + 1) > rank:
        found[key] = usable
        ranks[key] = rank


def _put_as_is(found: Found, ranks: Ranks, key: str, value: Any, rank: int) -> None:
    if ranks.get(key, rank + 1) > rank:
        found[key] = value
        ranks[key] = rank


def _put_each(found: Found, key: str, items: Any, name: str) -> None:
    if isinstance(items, list | tuple):
        if len(items) == 1 and type(value := field_getter(items[0])(name)) is str:
            # Most answers have one choice.
            found[key] = (value,)
        else:
            _put(found, key, [field_getter(item)(name) for item in items])


def _add_path(node: _Node, path: Path, key: str, rank: int, *, as_is: bool = False) -> None:
    convert = path.convert if isinstance(path, Via) else None
    level = node.below
    for step in (path.path if isinstance(path, Via) else path).split("."):
        node = level.setdefault(step.removesuffix("[]"), _Node())
        level = node.each if step.endswith("[]") else node.below
    node.leaves.append(_Leaf(key, rank, convert, as_is))
