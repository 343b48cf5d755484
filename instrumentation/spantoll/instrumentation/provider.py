"""What a provider declares: which functions of an SDK make a call, and where the values are.

A provider is data: the functions (`Hook`), and for each API operation (`Call`) the places of the
request, the response and the stream that have its values. Keys are the attribute keys of
`spantoll.semconv.attributes`, so that a table reads like the span it makes.

Rules for a table:

* Totals are inclusive: input contains cache reads, cache writes and every modality; output contains
  reasoning. Where an SDK reports the parts, write `Sum(...)`.
* Billed counts win over consumed counts (Cohere `billed_units`).
* A value that is not there is left out; never write a default.
* No content: prompts, completions, tool arguments and headers have no key here.
* Hook the innermost function that stands for exactly one API request, so that helpers (parse, chat
  sessions, automatic tool calling) are counted per request and never twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opentelemetry.trace import Link

from spantoll.instrumentation import http_bodies
from spantoll.instrumentation.caller import CALLER_FIELDS, CallerTable, caller_readings
from spantoll.instrumentation.compiler import compile_table
from spantoll.instrumentation.observer import Observer, SpanSource
from spantoll.instrumentation.reading import Sum, Table, Value

__all__ = [
    "Call",
    "DeferredReader",
    "DeferredResult",
    "DeferredSource",
    "Describe",
    "Hook",
    "Open",
    "Provider",
    "Replacement",
    "Request",
    "Server",
    "Settings",
    "Sum",
    "by_name",
]


@dataclass(frozen=True, slots=True)
class Call:
    """One API operation: its name and where its values are."""

    operation: str
    """`gen_ai.operation.name`."""
    request: Table = field(default_factory=dict)
    """Read from `Request.body` before the call; goes on the span at its start."""
    caller: CallerTable = field(default_factory=dict)
    """Where the request names its user, session and metadata; read with `request`."""
    response: Table = field(default_factory=dict)
    """Read from a complete response."""
    chunk: Table | None = None
    """Read from a chunk of a stream; a later chunk's value replaces an earlier one's. None: chunks
    are shaped like responses."""
    has_values: Callable[[Any], bool] | None = None
    """Whether a chunk after the first can have values. Called for every chunk, so it must cost a
    fraction of a microsecond. None: every chunk is read."""
    refine: Callable[[dict[str, Any]], None] | None = None
    """Combines, in place, the values that were read of one response or chunk. Keys that begin with
    an underscore are for its use, and it takes them out."""
    conclude: Callable[[dict[str, Any]], None] | None = None
    """Combines, in place and once at the end, the values of all chunks; it takes the keys that
    begin with an underscore out."""
    beside: Callable[[dict[str, Any]], Iterable[DeferredResult]] | None = None
    """Requests to other models that an answer reports and its totals leave out: a result for each,
    from the values of all chunks. It takes its keys out; each becomes a span beside this one."""
    constant: Mapping[str, Value] = field(default_factory=dict)
    """Attributes every span of this operation has."""
    submits: str | None = None
    """The attribute with the id of the batch that the operation submits; None: it submits none."""
    billed: bool = True
    """False for an operation that must not report usage (`fetch_response`)."""
    messages: Callable[[Any], Mapping[str, Any]] | None = None
    """Content of a request body in the convention's shape; called only where the application asked
    for content."""
    answers: Callable[[Any], Mapping[str, Any]] | None = None
    """Content of a complete response, likewise."""
    stream_answers: Callable[[Sequence[Any]], Mapping[str, Any]] | None = None
    """Content of the chunks of a stream, likewise."""
    read_request: Callable[[Any], dict[str, Any]] = field(init=False, repr=False, compare=False)
    read_response: Callable[[Any], dict[str, Any]] = field(init=False, repr=False, compare=False)
    read_chunk: Callable[[Any], dict[str, Any]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        chunk = self.response if self.chunk is None else self.chunk
        object.__setattr__(
            self, "read_request", compile_table({**self.request, **caller_readings(self.caller)})
        )
        object.__setattr__(self, "read_response", compile_table(self.response))
        object.__setattr__(self, "read_chunk", compile_table(chunk))


class Server(NamedTuple):
    """The server of a call: provider name, host and port."""

    provider: str
    address: str | None = None
    port: int | None = None


@dataclass(slots=True)
class Request:
    """One call about to be made."""

    call: Call
    body: Any
    """What `Call.request` is read from: the wire body or the arguments by name."""
    server: Server
    stream: bool = False
    """Whether the caller gets a stream."""
    raw: str = ""
    """How the caller gets the HTTP response instead of a parsed one, in the SDK's own word."""
    hidden: Callable[[Any], bool] | None = None
    """Recognises the chunk that only came because SpanToll asked for usage."""
    attributes: Mapping[str, Value] | None = None
    """Values of the client object (region, deployment)."""
    kept: Any = None
    """A response that the SDK has parsed and may still refuse to return, though it was billed."""
    override: Mapping[str, Any] | None = None
    """Arguments to pass instead of the caller's (`stream_options`)."""
    links: Sequence[Link] = ()
    """Spans that led to this one (the submission of a batch)."""
    late: Mapping[str, Value] | None = None
    """Values that became known while the SDK worked on the request."""
    time_ns: int | None = None
    """When the call started and ended, if that was before now (a result of a batch)."""


Describe = Callable[[Any, dict[str, Any], "Settings"], "Request | None"]
"""Turns a call of a hooked function into a `Request`; None: not a model call. It gets the object
the method was called on (None for a function), the arguments by name, and the settings."""

Open = Callable[[Any, Request, "Observer"], Any]
"""Takes the result of a call with `stream` or `raw`, and returns what the caller gets. It must
leave the result's type and behaviour as they are, and end the span through the observer."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the application chose when it switched instrumentation on."""

    stream_usage: bool = True
    """Ask for usage at the end of a stream where the host is known to support it."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """`host` or `host:port` -> provider name, for gateways and servers of one's own."""
    baggage: bool = False
    """Take attribution from baggage of other services; only where callers are trusted."""
    caller_fields: frozenset[str] = CALLER_FIELDS
    """Which of `CALLER_FIELDS` go from a request to its span."""
    content: bool = False
    """Put messages on spans (OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT)."""
    content_events: bool = False
    """Emit the convention's event, with messages (the same variable)."""
    metrics_today: bool = True
    """Record metrics under the names up to convention 1.41, which dashboards read."""
    metrics_latest: bool = False
    """Record metrics under the names after 1.41 (OTEL_SEMCONV_STABILITY_OPT_IN)."""
    usage_logs: bool = False
    """Emit a log record without content for each call, outside the sampler."""


@dataclass(frozen=True, slots=True)
class _Target:
    target: str
    """`package.module:Class.method` or `package.module:function`."""

    def __post_init__(self) -> None:
        module, _, path = self.target.partition(":")
        if not module or not path:
            raise ValueError(f"target must be 'module:Class.method', not {self.target!r}")

    @property
    def module(self) -> str:
        """The module whose import makes the target exist."""
        return self.target.partition(":")[0]

    @property
    def path(self) -> str:
        """The target within its module."""
        return self.target.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Hook(_Target):
    """A function of an SDK that stands for one API request."""

    describe: Describe
    open: Open | None = None
    optional: bool = False
    """Not every supported version of the SDK has it."""


@dataclass(frozen=True, slots=True)
class Replacement(_Target):
    """A function or property of an SDK that is no request and is replaced while its provider is on.

    Where the SDK does not have it, nothing is replaced and nothing is logged.
    """

    around: Callable[[Any, SpanSource], Any]
    """Makes the replacement from the original, function or property."""

    optional = True


class DeferredSource(NamedTuple):
    """Where results are read from: a batch, the file of its results, a response in background."""

    server: Server
    origin_id: str
    """The provider's id of the batch, the file or the response."""
    batch: bool = True
    """Whether the results have the price of batches."""
    streamed: bool = False
    """Whether the function returns an iterable of what `result_of_item` reads."""
    client: Any = None
    """What `results` needs of the object the method was called on."""
    attributes: Mapping[str, Value] | None = None
    """Values of all results, where a result itself does not have them."""


class DeferredResult(NamedTuple):
    """One result of a call that was made earlier."""

    call: Call
    result_id: str
    """The provider's id of the result, unique in its origin."""
    body: Any = None
    """What `Call.response` is read from; None for a result without usage."""
    custom_id: str | None = None
    """The id that the application gave the request."""
    is_unique: bool = False
    """Whether no other result of the provider has this id, wherever it is read from."""
    created_s: int | None = None
    """When the provider made the result, in Unix seconds; None: not reported."""
    error: str | None = None
    attributes: Mapping[str, Any] | None = None
    """Values that the result itself does not have, such as the model of its session."""


def no_results(*_: Any) -> Iterator[DeferredResult]:
    """Return no results: for a reader whose results are streamed."""
    return iter(())


@dataclass(frozen=True, slots=True)
class DeferredReader(_Target):
    """A function of an SDK that returns results of calls made earlier; each becomes a span."""

    describe: Callable[[Any, dict[str, Any], Settings], DeferredSource | None]
    """Gets the object the method was called on, the arguments by name and the settings."""
    has_results: Callable[[Any], bool] | None = None
    """Whether what the function returned can have results, for one that is called often: it must
    cost a fraction of a microsecond. None: it always can."""
    results: Callable[[Any, DeferredSource], Iterator[DeferredResult]] = no_results
    """The results in what the function returned, where they are not streamed."""
    result_of_item: Callable[[Any], DeferredResult | None] | None = None
    """The result in an item of a stream, None where the item has none."""
    results_of_body: Callable[[bytes], Iterator[DeferredResult]] | None = None
    """For a function that returns an HTTP response which the caller reads: its results."""
    collect: Callable[[Any, Observer, Callable[[bytes], None]], None] = http_bodies.collect
    """Passes on the body once the caller has read it; the default is for responses of httpx."""

    optional = True


@dataclass(frozen=True, slots=True)
class Provider:
    """An SDK: its name in `instrument(providers=...)`, its versions and its hooks."""

    name: str
    """The name that `instrument(providers=[...])` takes."""
    requires: str
    """`openai >= 1.30`: the distribution and the oldest version that was tested."""
    hooks: tuple[Hook | Replacement | DeferredReader, ...]
    aliases: tuple[str, ...] = ()
    """Names of other packages' instrumentation of this SDK, where it is not `name`."""
    skip: Callable[[], str | None] | None = None
    """Asked once when the SDK is imported: a reason not to instrument it (it traces itself)."""


def by_name(
    call: Call, *, server: Callable[[Any, Settings], Server], stream: bool | str = False
) -> Describe:
    """Describe a plain SDK method: its arguments by name are the request.

    `stream` is True for a method that always streams, or the name of the argument that decides it.
    """

    def describe(client: Any, arguments: dict[str, Any], settings: Settings) -> Request:
        streams = stream if isinstance(stream, bool) else arguments.get(stream) is True
        return Request(call, arguments, server(client, settings), stream=streams)

    return describe
