"""The fields a dialect can fill, each declared on one line of `Found`.

A line gives the name that tables of dialects use, the converter of the raw attribute value, and
the field of `ModelCall`, `Usage` or `Attribution` where the value ends. The record's column has
the same name. `FIELDS` is derived from these lines, and `check_fields` refuses any other name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple, TypedDict, cast, get_args, get_type_hints

from spantoll.semconv.values import flag, identifier, integer, nanoseconds, text, texts, true

__all__ = [
    "COUNTERS",
    "FIELDS",
    "Converters",
    "Field",
    "Found",
    "UnknownField",
    "check_fields",
    "convert_fields",
    "convert_into",
    "name_fields",
]

Part = Literal["core", "call", "usage", "attribution"]


class Field(NamedTuple):
    """One field of a dialect table: where it ends, and how its raw value is converted."""

    part: Part
    """core: the engine combines it with others. call, usage, attribution: copied when converted."""
    target: str
    """Field of that part; empty for what only helps to decide another field."""
    convert: Callable[[object], object]
    """Returns None where the value is unknown."""
    varies: bool = False
    """The value is another one in nearly every span, so what follows from it is not kept."""
    name: str = ""


Converters = tuple[tuple[str, int, Callable[[object], object]], ...]
"""Name of a field, position of its target, converter."""


def _core(target: str = "", *, varies: bool = False) -> Field:
    return Field("core", target, text, varies)


def _counter(target: str = "") -> Field:
    return Field("usage", target, integer, varies=True)


def _call(
    target: str, convert: Callable[[object], object] = text, *, varies: bool = False
) -> Field:
    return Field("call", target, convert, varies)


def _attributed(target: str) -> Field:
    return Field("attribution", target, identifier, varies=True)


class Found(TypedDict, total=False):
    """Field -> raw attribute value, as a span carries it; a field that is not there is absent."""

    operation: Annotated[object, _core("operation")]
    provider: Annotated[object, _core("provider_raw")]
    request_model: Annotated[object, _core("request_model")]
    response_model: Annotated[object, _core("response_model")]
    response_id: Annotated[object, _core("response_id", varies=True)]
    server_address: Annotated[object, _core("server_address")]
    api_base: Annotated[object, _core()]
    error_type: Annotated[object, _core("error_type", varies=True)]
    error_message: Annotated[object, _core("error_message", varies=True)]
    cost: Annotated[object, _core("reported_cost", varies=True)]
    cost_ticks: Annotated[object, _core(varies=True)]
    cost_currency: Annotated[object, _core(varies=True)]
    cost_source: Annotated[object, _core(varies=True)]

    input: Annotated[object, _counter("input_tokens")]
    output: Annotated[object, _counter("output_tokens")]
    total: Annotated[object, _counter()]
    uncached: Annotated[object, _counter()]
    cache_read: Annotated[object, _counter("cache_read_tokens")]
    cache_write: Annotated[object, _counter("cache_write_tokens")]
    cache_write_5m: Annotated[object, _counter()]
    cache_write_1h: Annotated[object, _counter("cache_write_1h_tokens")]
    reasoning: Annotated[object, _counter("reasoning_tokens")]
    audio_in: Annotated[object, _counter("input_audio_tokens")]
    audio_out: Annotated[object, _counter("output_audio_tokens")]
    image_in: Annotated[object, _counter("input_image_tokens")]
    image_out: Annotated[object, _counter("output_image_tokens")]
    text_in: Annotated[object, _counter()]
    images: Annotated[object, _counter("images")]
    audio_ms: Annotated[object, _counter("audio_ms")]
    video_ms: Annotated[object, _counter("video_ms")]
    characters: Annotated[object, _counter("characters")]
    extra: Annotated[dict[str, int | None], _core("extra", varies=True)]
    usage_status: Annotated[object, _core(varies=True)]

    server_port: Annotated[object, _call("server_port", integer)]
    provider_instance: Annotated[object, _call("provider_instance")]
    stream: Annotated[object, _call("stream", flag)]
    finish_reasons: Annotated[object, _call("finish_reasons", texts)]
    time_to_first_chunk_s: Annotated[
        object, _call("time_to_first_chunk_ns", nanoseconds, varies=True)
    ]
    service_tier_requested: Annotated[object, _call("service_tier_requested")]
    service_tier: Annotated[object, _call("service_tier")]
    speed_requested: Annotated[object, _call("speed_requested")]
    speed: Annotated[object, _call("speed")]
    batch: Annotated[object, _call("batch", true)]
    region: Annotated[object, _call("region")]
    data_residency: Annotated[object, _call("data_residency")]
    endpoint_scope: Annotated[object, _call("endpoint_scope")]
    deployment: Annotated[object, _call("deployment")]
    deployment_type: Annotated[object, _call("deployment_type")]
    image_size: Annotated[object, _call("image_size")]
    image_quality: Annotated[object, _call("image_quality")]
    search_context_size: Annotated[object, _call("search_context_size")]
    cache_hit: Annotated[object, _call("cache_hit", flag)]
    request_id: Annotated[object, _call("request_id", varies=True)]

    tenant: Annotated[object, _attributed("tenant")]
    customer_id: Annotated[object, _attributed("customer_id")]
    organisation: Annotated[object, _attributed("organisation")]
    project: Annotated[object, _attributed("project")]
    workspace_id: Annotated[object, _attributed("workspace_id")]
    team: Annotated[object, _attributed("team")]
    user_id: Annotated[object, _attributed("user_id")]
    user_email: Annotated[object, _attributed("user_email")]
    session_id: Annotated[object, _attributed("session_id")]
    purpose: Annotated[object, _attributed("purpose")]
    task_type: Annotated[object, _attributed("task_type")]
    channel: Annotated[object, _attributed("channel")]
    environment: Annotated[object, _attributed("environment")]
    service_name: Annotated[object, _attributed("service_name")]


class UnknownField(ValueError):
    """Raised when a name is not one that `Found` declares; has `.owner` and `.field`."""

    def __init__(self, owner: str, field: str) -> None:
        self.owner, self.field = owner, field
        nearest = get_close_matches(field, FIELDS, n=1, cutoff=0)
        super().__init__(f"{owner}: no field is named {field!r}; did you mean {nearest[0]!r}?")


class _Fields(dict[str, Field]):
    """Name -> field; what a dialect's functions made up fails at the first span."""

    def __missing__(self, name: str) -> Field:
        raise UnknownField("a function of a dialect", name)


FIELDS = _Fields(
    (name, get_args(hint)[1]._replace(name=name))
    for name, hint in get_type_hints(Found, include_extras=True).items()
)
"""Name -> field, in the order of the declaration."""

COUNTERS = {field.name: field.target for field in FIELDS.values() if field.part == "usage"}
"""Name of a counter -> the field of `Usage` it ends in; empty for what only helps to decide."""


def check_fields(names: Iterable[str], owner: str) -> None:
    """Check that all `names` are declared fields. Raises UnknownField, which names `owner`."""
    for name in names:
        if name not in FIELDS:
            raise UnknownField(owner, name)


def name_fields(*names: str, owner: str) -> tuple[str, ...]:
    """Check that all `names` are declared fields and return them. Raises UnknownField."""
    check_fields(names, owner)
    return names


def convert_fields(found: Found, names: Iterable[str], convert: Callable[[object], object]) -> None:
    """Convert in place those of some fields that were found."""
    values = cast("dict[str, Any]", found)
    for name in names:
        if name in values:
            values[name] = convert(values[name])


def convert_into(values: list[Any], converters: Converters, found: Mapping[str, Any]) -> None:
    """Convert fields that were found into `values`; what is unknown stays as it is there."""
    for name, position, convert in converters:
        converted = convert(found[name])
        if converted is not None:
            values[position] = converted
