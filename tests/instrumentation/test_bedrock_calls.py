from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import boto3
import botocore.exceptions
import pytest
from aiobotocore.session import get_session
from botocore.config import Config
from botocore.eventstream import EventStream
from botocore.response import StreamingBody
from opentelemetry.trace import SpanKind, StatusCode

from spantoll import instrumentation
from tests.instrumentation.scenes import (
    Case,
    aexhaust,
    cancel,
    cases,
    close,
    exhaust,
    leave,
    select_keys,
)

NUMBERS = "Hello #input=1000 #cached=600 #written=100 #written1h=50 #output=20"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-pro-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2"
COUNTED = {
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 20,
    "spantoll.usage.status": "reported",
}
CACHED = COUNTED | {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "aws.bedrock",
    "gen_ai.request.model": CLAUDE,
    "gen_ai.usage.cache_read.input_tokens": 600,
    "gen_ai.usage.cache_write.input_tokens": 150,
    "gen_ai.usage.cache_creation.input_tokens": 150,
    "spantoll.usage.cache_write_1h.input_tokens": 50,
    "gen_ai.response.finish_reasons": ("end_turn",),
    "spantoll.region": "us-east-1",
    "server.address": "127.0.0.1",
}
STREAM = {"gen_ai.request.stream": True}


def messages(script: str = NUMBERS) -> list[Any]:
    return [{"role": "user", "content": [{"text": script}]}]


def body(**found: Any) -> str:
    return json.dumps(found)


def claude(script: str = NUMBERS) -> str:
    return body(
        anthropic_version="bedrock-2023-05-31",
        max_tokens=100,
        messages=[{"role": "user", "content": script}],
    )


CONVERSED: dict[str, Case] = {
    "cached": (lambda c: c.converse(modelId=CLAUDE, messages=messages()), CACHED),
    "settings": (
        lambda c: c.converse(
            modelId=NOVA,
            messages=messages(),
            inferenceConfig={
                "maxTokens": 50,
                "temperature": 0.25,
                "topP": 0.5,
                "stopSequences": ["END"],
            },
            additionalModelRequestFields={"top_k": 40},
            serviceTier={"type": "flex"},
            performanceConfig={"latency": "optimized"},
        ),
        COUNTED
        | {
            "gen_ai.request.max_tokens": 50,
            "gen_ai.request.temperature": 0.25,
            "gen_ai.request.top_p": 0.5,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.stop_sequences": ("END",),
            "spantoll.request.service_tier": "flex",
            "spantoll.response.service_tier": "flex",
            "spantoll.response.speed": "optimized",
        },
    ),
}


def invoked(model: str, found: str = "") -> Callable[[Any], Any]:
    def call(client: Any) -> Any:
        return client.invoke_model(modelId=model, body=found or body(prompt=NUMBERS))

    return call


INVOKED: dict[str, Case] = {
    "Anthropic": (
        invoked(CLAUDE, claude()),
        CACHED | {"gen_ai.request.max_tokens": 100, "gen_ai.response.model": CLAUDE},
    ),
    "Nova": (
        invoked(NOVA, body(messages=messages(), inferenceConfig={"maxTokens": 50})),
        COUNTED
        | {
            "gen_ai.usage.cache_read.input_tokens": 600,
            "gen_ai.usage.cache_write.input_tokens": 150,
            "gen_ai.request.max_tokens": 50,
            "gen_ai.response.finish_reasons": ("end_turn",),
        },
    ),
    "Titan": (
        invoked("amazon.titan-text-express-v1"),
        COUNTED | {"gen_ai.response.finish_reasons": ("FINISH",)},
    ),
    "Titan embedding": (
        invoked("amazon.titan-embed-text-v2:0", body(inputText=NUMBERS, dimensions=256)),
        {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.embeddings.dimension.count": 256,
        },
    ),
    "An embedding behind a profile that hides the model": (
        invoked(PROFILE, body(inputText=NUMBERS, dimensions=256)),
        {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": PROFILE},
    ),
    "A picture beside the text of an embedding": (
        invoked(
            "amazon.titan-embed-image-v1",
            body(
                inputText=NUMBERS,
                inputImage="iVBORw0KGgo=",
                embeddingConfig={"outputEmbeddingLength": 256},
            ),
        ),
        {
            "gen_ai.usage.input_tokens": 1000,
            "spantoll.usage.images": 1,
            "gen_ai.embeddings.dimension.count": 256,
        },
    ),
    "Titan image": (
        invoked(
            "amazon.titan-image-generator-v2:0",
            body(
                taskType="TEXT_IMAGE",
                text="#images=2",
                imageGenerationConfig={"width": 512, "height": 512, "quality": "premium"},
            ),
        ),
        {
            "gen_ai.operation.name": "image_generation",
            "spantoll.usage.images": 2,
            "spantoll.request.image_size": "512x512",
            "spantoll.request.image_quality": "premium",
        },
    ),
    "Meta": (
        invoked("meta.llama3-1-8b-instruct-v1:0", body(prompt=NUMBERS, max_gen_len=64)),
        COUNTED | {"gen_ai.request.max_tokens": 64, "gen_ai.response.finish_reasons": ("stop",)},
    ),
    "Mistral, with counters in headers only": (
        invoked("mistral.mistral-7b-instruct-v0:2"),
        COUNTED | {"gen_ai.response.finish_reasons": ("stop",)},
    ),
    "Cohere, with counters in headers only": (
        invoked("cohere.command-r-v1:0", body(message=NUMBERS, p=0.5)),
        COUNTED | {"gen_ai.request.top_p": 0.5, "gen_ai.response.finish_reasons": ("COMPLETE",)},
    ),
    "Cohere embedding": (
        invoked("cohere.embed-v4:0", body(texts=[NUMBERS])),
        {"gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 1000},
    ),
    "OpenAI": (
        invoked("openai.gpt-oss-120b-1:0", body(messages=messages())),
        COUNTED | {"gen_ai.response.finish_reasons": ("stop",)},
    ),
}
CHUNKED: dict[str, Case] = {
    "Anthropic": (
        lambda c: c.invoke_model_with_response_stream(modelId=CLAUDE, body=claude()),
        CACHED | STREAM,
    ),
    "Nova": (
        lambda c: c.invoke_model_with_response_stream(modelId=NOVA, body=body(messages=messages())),
        COUNTED | {"gen_ai.usage.cache_read.input_tokens": 600} | STREAM,
    ),
    "Meta": (
        lambda c: c.invoke_model_with_response_stream(
            modelId="meta.llama3-1-8b-instruct-v1:0", body=body(prompt=NUMBERS)
        ),
        COUNTED | {"gen_ai.response.finish_reasons": ("stop",)} | STREAM,
    ),
    "Mistral": (
        lambda c: c.invoke_model_with_response_stream(
            modelId="mistral.mistral-7b-instruct-v0:2", body=body(prompt=NUMBERS)
        ),
        COUNTED | {"gen_ai.response.finish_reasons": ("stop",)} | STREAM,
    ),
}
STATIC = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture
def bedrock(provider: Any) -> Iterator[Any]:
    made = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=provider.url,
        config=ONCE,
        **STATIC,
    )
    yield made
    made.close()


@pytest.fixture
async def async_bedrock(provider: Any) -> AsyncIterator[Any]:
    async with get_session().create_client(
        "bedrock-runtime", region_name="us-east-1", endpoint_url=provider.url, **STATIC
    ) as made:
        yield made


def test_an_invoked_model_with_optimized_latency_costs_more(
    bedrock: Any, spans: Any, billed: Any
) -> None:
    for latency in ("standard", "optimized"):
        answer = bedrock.invoke_model(
            modelId=NOVA,
            body=body(messages=messages("Hello #input=1000 #output=20")),
            performanceConfigLatency=latency,
        )
        answer["body"].read()

    standard, optimized = (row["cost_nano"] for row in billed())
    assert optimized == standard * 5 // 4


@cases(CONVERSED)
def test_converse_reports_its_usage(
    bedrock: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    answer = call(bedrock)

    assert answer["output"]["message"]["content"] == [{"text": "The toll of a span"}]
    assert select_keys(spans.attributes(), expected) == expected
    assert spans.attributes()["spantoll.request.id"].startswith("aws-loopback")
    assert spans.only_span().kind is SpanKind.CLIENT


@cases(CONVERSED)
async def test_async_converse_reports_its_usage(
    async_bedrock: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    await call(async_bedrock)

    assert select_keys(spans.attributes(), expected) == expected


def test_a_converse_stream_reports_its_usage(bedrock: Any, spans: Any) -> None:
    stream = bedrock.converse_stream(modelId=CLAUDE, messages=messages())["stream"]
    words = "".join(
        event["contentBlockDelta"]["delta"]["text"]
        for event in stream
        if "contentBlockDelta" in event
    )

    assert words == "The toll of a span"
    assert isinstance(stream, EventStream)
    assert select_keys(spans.attributes(), CACHED | STREAM) == CACHED | STREAM
    assert spans.attributes()["gen_ai.response.time_to_first_chunk"] > 0


async def test_an_async_converse_stream_reports_its_usage(async_bedrock: Any, spans: Any) -> None:
    answer = await async_bedrock.converse_stream(modelId=CLAUDE, messages=messages())
    kinds = [next(iter(event)) async for event in answer["stream"]]

    assert kinds[-1] == "metadata"
    assert select_keys(spans.attributes(), CACHED | STREAM) == CACHED | STREAM


@cases(INVOKED)
def test_an_invoked_model_reports_its_usage(
    bedrock: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    answer = call(bedrock)

    assert isinstance(answer["body"], StreamingBody)
    assert json.load(answer["body"])
    assert select_keys(spans.attributes(), expected) == expected


@cases(INVOKED)
async def test_an_async_invoked_model_reports_its_usage(
    async_bedrock: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    answer = await call(async_bedrock)

    assert json.loads(await answer["body"].read())
    assert select_keys(spans.attributes(), expected) == expected


@cases(CHUNKED)
def test_a_chunked_model_reports_its_usage(
    bedrock: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    body = call(bedrock)["body"]
    chunks = [json.loads(event["chunk"]["bytes"]) for event in body]

    assert isinstance(body, EventStream)
    assert "amazon-bedrock-invocationMetrics" in chunks[-1]
    assert select_keys(spans.attributes(), expected) == expected


@cases(CHUNKED)
async def test_an_async_chunked_model_reports_its_usage(
    async_bedrock: Any, spans: Any, call: Callable[[Any], Any], expected: dict[str, Any]
) -> None:
    async for _ in (await call(async_bedrock))["body"]:
        pass

    assert select_keys(spans.attributes(), expected) == expected


def read_at_once(body: Any) -> bytes:
    return bytes(body.read())


def read_in_pieces(body: Any) -> bytes:
    return b"".join(body.iter_chunks(7))


def read_lines(body: Any) -> bytes:
    return b"".join(body.iter_lines())


def read_within(body: Any) -> bytes:
    with body as raw:
        return bytes(raw.read())


def read_as_much_as_there_is(body: Any) -> bytes:
    return bytes(body.read(1 << 20))


def read_into(body: Any) -> bytes:
    space = bytearray(1 << 20)
    return bytes(space[: body.readinto(space)])


@pytest.mark.parametrize(
    "way",
    [
        read_at_once,
        read_in_pieces,
        read_lines,
        read_within,
        read_as_much_as_there_is,
        read_into,
    ],
)
def test_a_body_is_the_callers_to_read(
    bedrock: Any, spans: Any, way: Callable[[Any], bytes]
) -> None:
    answer = bedrock.invoke_model(modelId=CLAUDE, body=claude())

    assert json.loads(way(answer["body"]))["type"] == "message"
    assert select_keys(spans.attributes(), CACHED) == CACHED
    del answer
    assert len(spans.all()) == 1


def never_read(answer: Any) -> None:
    answer.clear()
    gc.collect()


def read_a_part(answer: Any) -> None:
    answer["body"].read(10)
    answer["body"].close()


@pytest.mark.parametrize("way", [never_read, read_a_part])
def test_a_body_that_is_not_read_is_counted_by_its_headers(
    bedrock: Any, spans: Any, way: Callable[[Any], None]
) -> None:
    way(bedrock.invoke_model(modelId="mistral.mistral-7b-instruct-v0:2", body=body(prompt=NUMBERS)))

    assert select_keys(spans.attributes(), COUNTED) == COUNTED


def leave_and_close(stream: Any) -> None:
    leave(stream)
    stream.close()


def test_a_body_that_breaks_off_is_one_failed_span(bedrock: Any, spans: Any) -> None:
    answer = bedrock.invoke_model(modelId=CLAUDE, body=claude("#short=50"))

    with pytest.raises(botocore.exceptions.ResponseStreamingError):
        answer["body"].read()
    answer["body"].close()

    assert spans.attributes()["error.type"] == "botocore.exceptions.ResponseStreamingError"
    assert spans.only_span().status.status_code is StatusCode.ERROR


async def test_an_async_body_is_the_callers_to_read_too(async_bedrock: Any, spans: Any) -> None:
    for way in ("read", "lines", "with"):
        answer = await async_bedrock.invoke_model(modelId=CLAUDE, body=claude())
        body = answer["body"]
        if way == "read":
            await body.read(1 << 20)
        elif way == "lines":
            assert [line async for line in body.iter_lines()]
        else:
            async with body as raw:
                await raw.read()

    assert [select_keys(dict(span.attributes), CACHED) for span in spans.all()] == [CACHED] * 3


@pytest.mark.parametrize("way", [leave_and_close, close])
def test_a_stream_left_early_is_one_span_without_invented_usage(
    bedrock: Any, spans: Any, way: Callable[[Any], None]
) -> None:
    way(bedrock.converse_stream(modelId=CLAUDE, messages=messages())["stream"])

    expected = {"gen_ai.usage.input_tokens": None, "spantoll.usage.status": "missing"}
    assert select_keys(spans.attributes(), expected) == expected
    assert spans.only_span().status.status_code is StatusCode.UNSET


def test_a_chunked_answer_left_early_keeps_what_it_reported(bedrock: Any, spans: Any) -> None:
    answer = bedrock.invoke_model_with_response_stream(modelId=CLAUDE, body=claude())
    leave_and_close(answer["body"])

    expected = {"gen_ai.usage.input_tokens": 1000, "spantoll.usage.status": "partial"}
    assert select_keys(spans.attributes(), expected) == expected


def test_a_failure_inside_a_stream_is_one_failed_span(bedrock: Any, spans: Any) -> None:
    stream = bedrock.converse_stream(modelId=CLAUDE, messages=messages("#broken=2"))["stream"]

    with pytest.raises(botocore.exceptions.EventStreamError):
        exhaust(stream)
    stream.close()

    assert spans.attributes()["error.type"] == "botocore.exceptions.EventStreamError"
    assert spans.only_span().status.status_code is StatusCode.ERROR


async def test_an_async_stream_left_early_is_one_span(async_bedrock: Any, spans: Any) -> None:
    answer = await async_bedrock.converse_stream(modelId=CLAUDE, messages=messages())
    async for _ in answer["stream"]:
        break
    answer["stream"].close()

    assert spans.attributes()["spantoll.usage.status"] == "missing"
    assert spans.only_span().status.status_code is StatusCode.UNSET


async def test_a_cancelled_task_ends_the_span_once(async_bedrock: Any, spans: Any) -> None:
    async def talk(reading: asyncio.Event) -> None:
        asked = {"modelId": CLAUDE, "body": claude(f"{NUMBERS} #pause=500 #chunks=20")}
        answer = await async_bedrock.invoke_model_with_response_stream(**asked)
        with contextlib.closing(answer["body"]) as chunks:
            async for _ in chunks:
                reading.set()

    await cancel(talk)

    expected = {
        "error.type": "asyncio.CancelledError",
        "gen_ai.usage.input_tokens": 1000,
        "spantoll.usage.status": "partial",
    }
    assert select_keys(spans.attributes(), expected) == expected


async def test_a_failure_inside_an_async_stream_is_one_failed_span(
    async_bedrock: Any, spans: Any
) -> None:
    answer = await async_bedrock.converse_stream(modelId=CLAUDE, messages=messages("#broken=2"))

    with pytest.raises(botocore.exceptions.EventStreamError):
        await aexhaust(answer["stream"])
    answer["stream"].close()

    assert spans.attributes()["error.type"] == "botocore.exceptions.EventStreamError"


def test_attempts_that_were_refused_cost_nothing(provider: Any, spans: Any, billed: Any) -> None:
    retrying = Config(retries={"total_max_attempts": 3, "mode": "standard"})
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=provider.url,
        config=retrying,
        **STATIC,
    )
    client.converse(modelId=CLAUDE, messages=messages(f"{NUMBERS} #refused=1"))
    client.close()

    assert len(provider.asked) == 2
    assert select_keys(spans.attributes(), CACHED) == CACHED
    assert len(billed()) == 1


def test_an_answer_too_long_to_keep_is_counted_by_its_headers(
    bedrock: Any, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spantoll.instrumentation.providers.bedrock.bodies.LONGEST_BODY", 100)
    answer = bedrock.invoke_model(modelId=NOVA, body=body(messages=messages()))

    assert json.load(answer["body"])
    assert select_keys(spans.attributes(), COUNTED) == COUNTED


def test_an_error_is_named_as_aws_names_it(bedrock: Any, spans: Any) -> None:
    with pytest.raises(bedrock.exceptions.ThrottlingException):
        bedrock.converse(modelId=CLAUDE, messages=messages("#status=429"))

    assert spans.attributes()["error.type"] == "ThrottlingException"
    assert "spantoll.usage.status" not in spans.attributes()


def test_other_operations_and_services_are_no_calls(bedrock: Any, spans: Any) -> None:
    dynamo = boto3.client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        config=ONCE,
        **STATIC,
    )

    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        dynamo.list_tables()
    with pytest.raises(botocore.exceptions.ClientError):
        bedrock.count_tokens(modelId=CLAUDE, input={"converse": {"messages": messages()}})

    assert spans.all() == ()


def test_uninstrument_puts_the_client_back(bedrock: Any, spans: Any) -> None:
    instrumentation.uninstrument()

    bedrock.converse(modelId=CLAUDE, messages=messages())

    assert spans.all() == ()


SPOKEN: dict[str, Any] = {
    "modelId": CLAUDE,
    "system": [{"text": "Be brief."}],
    "messages": [
        {"role": "user", "content": [{"text": "the secret ingredient"}]},
        {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"a": 1}}}],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "fine"}]}},
                {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}},
            ],
        },
    ],
    "toolConfig": {
        "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]
    },
}


def test_nothing_of_the_conversation_is_on_a_span(bedrock: Any, spans: Any) -> None:
    bedrock.converse(**SPOKEN)
    exhaust(bedrock.converse_stream(**SPOKEN)["stream"])
    bedrock.invoke_model(modelId=CLAUDE, body=claude("the secret"))["body"].read()

    written = " ".join(span.to_json() for span in spans.all())
    assert len(spans.all()) == 3
    for words in ("secret", "brief", "weather", "toll of", "Signature"):
        assert words not in written


@pytest.mark.parametrize("stream", [False, True])
def test_the_content_is_recorded_where_it_is_captured(
    bedrock: Any, spans: Any, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider)

    if stream:
        exhaust(bedrock.converse_stream(**SPOKEN)["stream"])
    else:
        bedrock.converse(**SPOKEN)

    found = spans.attributes()
    assert found["gen_ai.system_instructions"] == '[{"type":"text","content":"Be brief."}]'
    assert '"name":"weather"' in found["gen_ai.tool.definitions"]
    assert '"type":"tool_call","id":"t1","name":"weather"' in found["gen_ai.input.messages"]
    assert '"mime_type":"image/png","content":"iVBORw=="' in found["gen_ai.input.messages"]
    assert found["gen_ai.output.messages"] == (
        '[{"role":"assistant","parts":[{"type":"text","content":"The toll of a span"}],'
        '"finish_reason":"end_turn"}]'
    )


def test_calls_are_priced_to_the_nano_dollar(bedrock: Any, spans: Any, billed: Any) -> None:
    bedrock.converse(
        modelId=CLAUDE, messages=messages("#input=1000 #cached=600 #written=100 #output=20")
    )
    bedrock.converse(modelId=NOVA, messages=messages("#input=1000 #output=20"))

    # aws.amazon.com/bedrock/pricing: in a US region Claude costs a tenth more than its list price,
    # 3.30 dollars per million in, 0.33 read, 4.125 written, 16.50 out; Nova Pro 0.80 in, 3.20 out.
    assert {row["request_model"]: row["cost_nano"] for row in billed()} == {
        CLAUDE: 300 * 3_300 + 600 * 330 + 100 * 4_125 + 20 * 16_500,
        NOVA: 1000 * 800 + 20 * 3_200,
    }


OLD = """
import asyncio, json
import boto3
from aiobotocore.session import get_session

static = dict(region_name="us-east-1", endpoint_url=url)
static |= dict(aws_access_key_id="none", aws_secret_access_key="none")
client = boto3.client("bedrock-runtime", **static)
claude = "anthropic.claude-3-haiku-20240307-v1:0"
asked = [{"role": "user", "content": [{"text": "Hello #input=100 #output=20"}]}]
body = json.dumps({"messages": [{"role": "user", "content": "#input=100 #output=20"}]})
client.converse(modelId=claude, messages=asked)
list(client.converse_stream(modelId=claude, messages=asked)["stream"])
json.load(client.invoke_model(modelId=claude, body=body)["body"])
list(client.invoke_model_with_response_stream(modelId=claude, body=body)["body"])

async def talk():
    async with get_session().create_client("bedrock-runtime", **static) as client:
        await client.converse(modelId=claude, messages=asked)
        async for _ in (await client.converse_stream(modelId=claude, messages=asked))["stream"]:
            pass
        answer = await client.invoke_model(modelId=claude, body=body)
        json.loads(await answer["body"].read())

asyncio.run(talk())
"""


def test_botocore_1_36_is_read_as_todays_is(older: Any) -> None:
    found = [
        (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"])
        for span in older(OLD, "boto3==1.36.3", "botocore==1.36.3", "aiobotocore==2.19.0")
    ]

    assert found == [(100, 20)] * 7


VIDEOS = {
    "Nova Reel": (
        {
            "taskType": "TEXT_VIDEO",
            "videoGenerationConfig": {"durationSeconds": 6, "fps": 24, "dimension": "1280x720"},
        },
        {"spantoll.usage.video_ms": 6000, "spantoll.request.image_size": "1280x720"},
    ),
    "Nova Reel, shot by shot": (
        {
            "taskType": "MULTI_SHOT_MANUAL",
            "multiShotManualParams": {"shots": [{"text": "toll"}, {"text": "gate"}]},
            "videoGenerationConfig": {"fps": 24, "dimension": "1280x720"},
        },
        {"spantoll.usage.video_ms": 12000},
    ),
    "Luma": (
        {"prompt": "toll", "duration": "5s", "resolution": "720p"},
        {"spantoll.usage.video_ms": 5000, "spantoll.request.image_size": "720p"},
    ),
}


@pytest.mark.parametrize(("asked", "expected"), VIDEOS.values(), ids=list(VIDEOS))
def test_an_asynchronous_video_is_billed_by_the_seconds_asked_for(
    bedrock: Any, spans: Any, asked: dict[str, Any], expected: dict[str, Any]
) -> None:
    bedrock.start_async_invoke(
        modelId="amazon.nova-reel-v1:1",
        modelInput=asked,
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://videos"}},
    )

    expected |= {"gen_ai.operation.name": "video_generation", "spantoll.usage.status": "reported"}
    assert select_keys(spans.attributes(), expected) == expected


def test_an_asynchronous_embedding_is_no_video_and_its_usage_is_missing(
    bedrock: Any, spans: Any
) -> None:
    bedrock.start_async_invoke(
        modelId="twelvelabs.marengo-embed-3-0-v1:0",
        modelInput={"inputType": "video"},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://vectors"}},
    )

    expected = {"gen_ai.operation.name": "embeddings", "spantoll.usage.status": "missing"}
    assert select_keys(spans.attributes(), expected) == expected


def test_submitting_a_batch_reports_no_usage(provider: Any, spans: Any) -> None:
    client = boto3.client(
        "bedrock", region_name="us-east-1", endpoint_url=provider.url, config=ONCE, **STATIC
    )
    client.create_model_invocation_job(
        jobName="nightly",
        roleArn="arn:aws:iam::123456789012:role/batch",
        modelId=CLAUDE,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://in/requests.jsonl"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://out/"}},
    )
    client.close()

    found = spans.attributes()
    assert found["gen_ai.operation.name"] == "create_batch"
    assert found["spantoll.request.batch"] is True
    assert "spantoll.usage.status" not in found


def test_a_rerank_is_no_chat_and_its_usage_is_missing(bedrock: Any, spans: Any) -> None:
    answer = bedrock.invoke_model(
        modelId="cohere.rerank-v3-5:0", body=body(query="toll", documents=["a", "b"])
    )
    answer["body"].read()

    found = spans.attributes()
    assert found["gen_ai.operation.name"] == "rerank"
    assert found["spantoll.usage.status"] == "missing"
