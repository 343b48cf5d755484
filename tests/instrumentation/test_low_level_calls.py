"""Calls by an SDK's own HTTP methods (`client.post`), whose types and paths the caller chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
from loopback_provider import LoopbackProvider

from spantoll import instrumentation

USAGE = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "spantoll.usage.status")


def post_stream(client: Any, path: str, body: dict[str, Any]) -> list[Any]:
    asked = body | {"stream": True}
    return list(
        client.post(path, cast_to=object, body=asked, stream=True, stream_cls=openai.Stream[object])
    )


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
def test_a_stream_of_dicts_reports_its_usage(
    client: Any, spans: Any, question: Callable[..., dict[str, Any]], path: str
) -> None:
    body = question()

    post_stream(client, path, body if "chat" in path else {"model": "o3-mini", "input": str(body)})

    assert [spans.attributes()[key] for key in USAGE] == [100, 20, "reported"]


def test_a_stream_of_dicts_has_no_chunk_that_its_caller_did_not_ask_for(
    client: Any, spans: Any, question: Callable[..., dict[str, Any]]
) -> None:
    seen = post_stream(client, "/chat/completions", question())
    instrumentation.uninstrument()
    plain = post_stream(client, "/chat/completions", question())

    assert len(seen) == len(plain)
    assert all(chunk["choices"] for chunk in seen)


@pytest.mark.parametrize(
    "path", ["chat/completions", "{base}/v1/chat/completions", "/chat/completions?a=1"]
)
def test_a_path_is_known_however_it_is_written(
    client: Any,
    provider: LoopbackProvider,
    spans: Any,
    question: Callable[..., dict[str, Any]],
    path: str,
) -> None:
    client.post(path.format(base=provider.url), cast_to=object, body=question())

    assert [spans.attributes()[key] for key in USAGE] == [100, 20, "reported"]


def test_a_url_of_another_host_is_no_call_of_this_client(
    client: Any, provider: LoopbackProvider, spans: Any, question: Any
) -> None:
    url = provider.url.replace("127.0.0.1", "localhost")

    client.post(f"{url}/v1/chat/completions", cast_to=object, body=question())

    assert spans.all() == ()
