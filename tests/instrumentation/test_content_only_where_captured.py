from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from spantoll import instrumentation
from spantoll.instrumentation.apis import openai_content
from spantoll.instrumentation.providers.openai import content

SECRET = "the secret ingredient #input=100 #output=20"
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "Returns it", "parameters": {"type": "object"}},
}


@pytest.fixture
def loud(spans: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Spans of an application that asks for content."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider)
    return spans


def ask(client: openai.OpenAI, **more: Any) -> Any:
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": SECRET},
    ]
    tools: Any = [TOOL]
    return client.chat.completions.create(
        model="gpt-4o-mini", messages=messages, tools=tools, **more
    )


@pytest.mark.parametrize("value", ["", "NO_CONTENT", "false", "nonsense"])
def test_nothing_of_the_conversation_is_on_a_span(
    client: openai.OpenAI, spans: Any, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", value)
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider)

    ask(client)
    list(ask(client, stream=True))
    client.responses.create(model="gpt-4o-mini", input=SECRET, instructions="Be brief.")
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": SECRET + " #status=400"}]
        )

    written = " ".join(span.to_json() for span in spans.all())
    assert len(spans.all()) == 4
    for words in ("secret", "brief", "weather", "toll of", "authorization", "Bearer"):
        assert words not in written


def test_a_chat_has_both_sides_and_the_tools(client: openai.OpenAI, loud: Any) -> None:
    ask(client)

    found = loud.attributes()
    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": SECRET}]},
    ]
    assert json.loads(found["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "The toll of a span"}],
            "finish_reason": "stop",
        }
    ]
    assert json.loads(found["gen_ai.tool.definitions"]) == [
        {
            "type": "function",
            "name": "weather",
            "description": "Returns it",
            "parameters": {"type": "object"},
        }
    ]


def test_a_stream_has_the_same_answer(client: openai.OpenAI, loud: Any) -> None:
    list(ask(client, stream=True))

    (answer,) = json.loads(loud.attributes()["gen_ai.output.messages"])
    assert answer["parts"] == [{"type": "text", "content": "The toll of a span"}]
    assert answer["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_has_instructions_apart(client: openai.OpenAI, loud: Any, stream: bool) -> None:
    answer = client.responses.create(
        model="gpt-4o-mini", input=SECRET, instructions="Be brief.", stream=stream
    )
    if stream:
        list(answer)

    found = loud.attributes()
    assert json.loads(found["gen_ai.system_instructions"]) == [
        {"type": "text", "content": "Be brief."}
    ]
    (message,) = json.loads(found["gen_ai.output.messages"])
    assert message["parts"] == [{"type": "text", "content": "The toll of a span"}]


def parts_of(*parts: Any) -> Any:
    found = openai_content.chat_messages({"messages": [{"role": "user", "content": list(parts)}]})
    return json.loads(found["gen_ai.input.messages"])[0]["parts"]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
            {"type": "uri", "modality": "image", "uri": "https://x.example/a.png"},
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
            {"type": "blob", "modality": "audio", "mime_type": None, "content": "BBBB"},
        ),
        (
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "file", "modality": "document", "file_id": "file-1"},
        ),
        ({"type": "something_new"}, {"type": "something_new"}),
    ],
    ids=["image by address", "image inside", "sound", "file", "unknown"],
)
def test_every_modality_has_its_part(part: dict[str, Any], expected: dict[str, Any]) -> None:
    assert parts_of(part) == [expected]


def test_both_sides_of_a_tool_call_are_kept() -> None:
    call = {"id": "c1", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]

    found = json.loads(
        openai_content.chat_messages({"messages": messages})["gen_ai.input.messages"]
    )

    assert [message["parts"] for message in found] == [
        [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Bonn"}}],
        [{"type": "tool_call_response", "id": "c1", "response": "rain"}],
    ]


def test_the_pieces_of_a_streamed_tool_call_are_put_together() -> None:
    def piece(**call: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, **call}]}}]}

    chunks = [
        piece(id="c1", function={"name": "weather", "arguments": ""}),
        piece(function={"arguments": '{"city":'}),
        piece(function={"arguments": '"Bonn"}'}),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]

    (answer,) = json.loads(openai_content.chat_chunks(chunks)["gen_ai.output.messages"])

    assert answer["finish_reason"] == "tool_calls"
    assert answer["parts"][0]["arguments"] == {"city": "Bonn"}


def test_items_of_the_responses_api_are_messages() -> None:
    body = {
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c1"},
            {"type": "function_call_output", "call_id": "c1", "output": "42"},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]},
        ]
    }

    found = json.loads(content.response_messages(body)["gen_ai.input.messages"])

    assert [(message["role"], message["parts"][0]["type"]) for message in found] == [
        ("user", "text"),
        ("assistant", "tool_call"),
        ("tool", "tool_call_response"),
        ("assistant", "reasoning"),
    ]
