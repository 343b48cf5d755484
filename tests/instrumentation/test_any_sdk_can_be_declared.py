from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import StatusCode, get_current_span

from spantoll import instrumentation
from spantoll.instrumentation import registry
from spantoll.instrumentation.provider import (
    Call,
    Hook,
    Provider,
    Request,
    Server,
    Settings,
    by_name,
)

ANSWER = SimpleNamespace(id="a1", usage=SimpleNamespace(read=7, wrote=3))
PIECES = [SimpleNamespace(id="a1"), SimpleNamespace(), ANSWER]
TABLE = {
    "gen_ai.response.id": "id",
    "gen_ai.usage.input_tokens": "usage.read",
    "gen_ai.usage.output_tokens": "usage.wrote",
}
CALL = Call("chat", request={"gen_ai.request.model": "model"}, response=TABLE)
EXPECTED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "toy",
    "gen_ai.request.model": "m",
    "gen_ai.response.id": "a1",
    "gen_ai.usage.input_tokens": 7,
    "gen_ai.usage.output_tokens": 3,
    "server.address": "toy.example",
    "spantoll.usage.status": "reported",
}


class Base:
    def inherited(self, model: str) -> Any:
        return ANSWER


class Client(Base):
    """An SDK with every kind of function there is."""

    host = "toy.example"

    def plain(self, model: str, *, fail: bool = False) -> Any:
        if fail:
            raise LookupError("no such model")
        return ANSWER

    async def async_plain(self, model: str) -> Any:
        return ANSWER

    def coroutine(self, model: str) -> Awaitable[Any]:
        return self.async_plain(model)

    def generator(self, model: str) -> Iterator[Any]:
        yield from PIECES

    async def async_generator(self, model: str) -> AsyncIterator[Any]:
        for piece in PIECES:
            yield piece

    def maybe(self, model: str, stream: bool = False) -> Any:
        return iter(PIECES) if stream else ANSWER

    def options(self, model: str, **options: Any) -> Any:
        return SimpleNamespace(id=str(options), usage=ANSWER.usage)

    @staticmethod
    def static(model: str) -> Any:
        return ANSWER

    def nested(self, model: str) -> Any:
        return self.plain(model)


def function(model: str) -> Any:
    return ANSWER


def server(client: Any, _: Settings) -> Server:
    return Server("toy", getattr(client, "host", "toy.example"))


def hook(name: str, **more: Any) -> Hook:
    return Hook(f"toy_sdk:{name}", by_name(CALL, server=server, **more))


def overriding(client: Any, arguments: dict[str, Any], settings: Settings) -> Request:
    return Request(CALL, arguments, server(client, settings), override={"usage": True})


HOOKS = (
    hook("Client.plain"),
    hook("Client.async_plain"),
    hook("Client.coroutine"),
    hook("Client.generator", stream=True),
    hook("Client.async_generator", stream=True),
    hook("Client.maybe", stream="stream"),
    hook("Client.inherited"),
    hook("Client.static"),
    hook("Client.nested"),
    Hook("toy_sdk:Client.options", overriding),
    hook("function"),
)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of a made-up SDK, and the registry knowing nothing else."""
    module = ModuleType("toy_sdk")
    module.Client = type("Client", (Client,), dict(Client.__dict__))  # type: ignore[attr-defined]  # made up
    module.function = function  # type: ignore[attr-defined]  # made up
    monkeypatch.setitem(sys.modules, "toy_sdk", module)
    declared = Provider("toy", requires="toy-sdk", hooks=HOOKS)
    monkeypatch.setattr(registry, "discover", lambda: {"toy": declared})
    return module


@pytest.fixture
def client(toy: ModuleType, spans: Any) -> Any:
    return toy.Client()


def test_a_method_is_one_span(client: Any, spans: Any) -> None:
    assert client.plain("m") is ANSWER

    assert spans.attributes() == EXPECTED


def test_arguments_are_known_by_name_or_by_place(client: Any, spans: Any) -> None:
    client.plain(model="m")
    client.plain("m")

    assert [span.attributes["gen_ai.request.model"] for span in spans.all()] == ["m", "m"]


async def test_an_async_method_is_one_span(client: Any, spans: Any) -> None:
    assert inspect.iscoroutinefunction(client.async_plain)
    assert await client.async_plain("m") is ANSWER

    assert spans.attributes() == EXPECTED


async def test_a_method_that_returns_a_coroutine_is_one_span(client: Any, spans: Any) -> None:
    assert await client.coroutine("m") is ANSWER

    assert spans.attributes() == EXPECTED


def test_a_generator_is_one_span_and_stays_a_generator(client: Any, spans: Any) -> None:
    stream = client.generator("m")

    assert inspect.isgenerator(stream)
    assert list(stream) == PIECES
    found = spans.attributes()
    assert found.pop("gen_ai.response.time_to_first_chunk") >= 0
    assert found == EXPECTED | {"gen_ai.request.stream": True}


async def test_an_async_generator_is_one_span(client: Any, spans: Any) -> None:
    stream = client.async_generator("m")

    assert inspect.isasyncgen(stream)
    assert [piece async for piece in stream] == PIECES
    assert spans.attributes()["gen_ai.usage.input_tokens"] == 7


async def test_an_async_generator_closed_early_is_one_span(client: Any, spans: Any) -> None:
    stream = client.async_generator("m")
    await anext(stream)
    await stream.aclose()

    assert spans.attributes()["spantoll.usage.status"] == "missing"
    assert spans.attributes()["gen_ai.response.id"] == "a1"


def test_an_argument_decides_whether_it_streams(client: Any, spans: Any) -> None:
    client.maybe("m")
    list(client.maybe("m", True))

    assert [span.attributes.get("gen_ai.request.stream") for span in spans.all()] == [None, True]


def test_inherited_and_static_methods_and_functions(
    client: Any, toy: ModuleType, spans: Any
) -> None:
    client.inherited("m")
    client.static("m")
    toy.Client.static("m")
    toy.function("m")

    assert [dict(span.attributes) for span in spans.all()] == [EXPECTED] * 4


def test_everything_is_put_back(toy: ModuleType) -> None:
    before = {name: inspect.getattr_static(toy.Client, name) for name in vars(Client)}
    instrumentation.instrument()
    instrumentation.uninstrument()

    assert {name: inspect.getattr_static(toy.Client, name) for name in vars(Client)} == before
    assert "inherited" not in vars(toy.Client)
    assert toy.function is function


def test_a_call_inside_a_call_is_one_span(client: Any, spans: Any) -> None:
    client.nested("m")

    assert len(spans.all()) == 1


def test_arguments_can_be_replaced(client: Any, spans: Any) -> None:
    assert client.options("m", usage=False).id == "{'usage': True}"


def test_an_error_of_the_sdk_is_raised_as_it_is(client: Any, spans: Any) -> None:
    with pytest.raises(LookupError, match="no such model"):
        client.plain("m", fail=True)

    assert spans.attributes()["error.type"] == "LookupError"
    assert spans.one().status.status_code is StatusCode.ERROR
    assert spans.one().status.description == "LookupError"


def test_an_object_without_copies_has_none(client: Any, spans: Any) -> None:
    with pytest.raises(TypeError):
        copy.copy(client.generator("m"))


def test_a_target_is_checked_when_it_is_declared() -> None:
    with pytest.raises(ValueError, match="module:Class"):
        hook("")
    with pytest.raises(ValueError, match="module:Class"):
        Hook("toy_sdk.Client", overriding)


class Kept(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def test_cost_survives_sampling_with_a_tracer_provider_of_its_own(
    toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_inside = []

    def plain(self: Any, model: str) -> Any:
        seen_inside.append(get_current_span().get_span_context().span_id)
        return ANSWER

    monkeypatch.setattr(toy.Client, "plain", plain)
    kept = Kept()
    everything = TracerProvider(sampler=ALWAYS_ON)
    everything.add_span_processor(kept)
    nothing = TracerProvider(sampler=ParentBased(ALWAYS_OFF)).get_tracer("app")
    instrumentation.instrument(tracer_provider=everything)
    with nothing.start_as_current_span("request") as request:
        toy.Client().plain("m")
    instrumentation.uninstrument()

    (span,) = kept.spans
    assert dict(span.attributes or {})["gen_ai.usage.input_tokens"] == 7
    assert span.parent == request.get_span_context()
    # HTTP spans below go on as the application samples them.
    assert seen_inside == [request.get_span_context().span_id]
