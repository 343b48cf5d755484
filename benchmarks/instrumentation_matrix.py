#!/usr/bin/env python3
"""What an instrumentation sees of the SDKs of OpenAI, Google and AWS, case by case: SpanToll beside
OpenTelemetry's own instrumentation of the SDK.

The real SDKs against a server on this machine that speaks their APIs. Each cell says `right`, or
what is wrong. A case is right if it makes exactly one span with exactly the numbers the server
reported (calls whose results are read later: one for each result, the same one when it is read
again), says nothing that did not happen, and leaves the caller what it would have had.

    python benchmarks/instrumentation_matrix.py     # makes a throwaway environment with the peers
    python benchmarks/instrumentation_matrix.py --sdk openai==1.30.5    # SpanToll with an old SDK
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import importlib.metadata
import inspect
import io
import os
import subprocess
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

from loopback_provider import LoopbackProvider

from benchmarks.instrumentation import PEERS, SILENT, environment
from spantoll import instrumentation

OFFICIAL = {
    "opentelemetry-instrumentation-genai-openai": PEERS["genai-openai"],
    "opentelemetry-instrumentation-google-genai": (
        "opentelemetry.instrumentation.google_genai:GoogleGenAiSdkInstrumentor"
    ),
    "opentelemetry-instrumentation-genai-bedrock": (
        "opentelemetry.instrumentation.genai.bedrock:BedrockInstrumentor"
    ),
}
"""OpenTelemetry's instrumentations: package and class."""
COLUMNS = {"official": tuple(OFFICIAL.values()), "spantoll": (PEERS["spantoll"],)}
ENVIRONMENT = ("openai>=3", "google-genai>=3", "boto3>=1.43", *OFFICIAL)
SCRIPT = "Hello #input=100 #cached=60 #output=20 #reasoning=5"
MESSAGES = [{"role": "user", "content": SCRIPT}]
IN, OUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
CACHED, REASONING = "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.reasoning.output_tokens"
TOKENS = {IN: 100, OUT: 20}


@dataclass
class Seen:
    """What a case left behind."""

    spans: list[Any]
    caller: list[str] = field(default_factory=list)
    """What the caller found different from the bare SDK."""


Judge = Callable[[Seen], str | None]
Sync = Callable[[Any, list[str]], Any]
Async = Callable[[Any, list[str]], Awaitable[Any]]


@dataclass(frozen=True)
class Case:
    name: str
    run: Sync | Async
    judge: Judge
    sdk: str = "openai"
    """For any other SDK `run` gets the server's address in place of OpenAI's client."""


def expect_span(**wanted: Any) -> Judge:
    """Exactly one span, with these attributes; underscores are dots, None is absence."""

    def judge(seen: Seen) -> str | None:
        if len(seen.spans) != 1:
            return "no span" if not seen.spans else f"{len(seen.spans)} spans"
        reported = dict(seen.spans[0].attributes)
        for key, value in wanted["attributes"].items():
            if reported.get(key) != value:
                short = key.removeprefix("gen_ai.").removeprefix("usage.")
                return f"{short} {reported.get(key, 'missing')}"
        status = seen.spans[0].status.status_code.name
        if status != wanted.get("status", "UNSET"):
            return f"status {status}"
        return None

    return judge


def counted(more: dict[str, Any] | None = None, **other: Any) -> Judge:
    return expect_span(attributes=TOKENS | (more or {}), **other)


def expect_calls(count: int, **attributes: Any) -> Judge:
    """So many spans of different ids with these attributes, and no other span with usage."""

    def judge(seen: Seen) -> str | None:
        billed = {
            span.context.span_id: {
                key: dict(span.attributes).get(key) for key in attributes["attributes"]
            }
            for span in seen.spans
            if IN in span.attributes or "spantoll.usage.status" in span.attributes
            if span.attributes.get("spantoll.usage.status") != "missing"
        }
        if len(billed) != count:
            return f"{len(billed)} calls with usage instead of {count}"
        return (
            None
            if all(found == attributes["attributes"] for found in billed.values())
            else (f"other values: {next(iter(billed.values()))}")
        )

    return judge


def nothing_invented(seen: Seen) -> str | None:
    """One span that is no error and claims no usage."""
    return expect_span(attributes={IN: None, OUT: None})(seen)


def reports_cancellation(seen: Seen) -> str | None:
    """One failed span that names the cancellation, by its public or its full name."""
    reported = {str(span.attributes.get("error.type")) for span in seen.spans}
    if not all(name.endswith("CancelledError") for name in reported):
        return f"error.type {', '.join(reported)}"
    return expect_span(attributes={IN: None}, status="ERROR")(seen)


def drain(stream: Any, caller: list[str], chunks: int) -> None:
    count = sum(1 for _ in stream)
    if count != chunks:
        caller.append(f"caller got {count} chunks instead of {chunks}")


def chat(client: Any, **more: Any) -> Any:
    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, **more)


def chat_sync(client: Any, _: list[str]) -> None:
    chat(client)


async def chat_async(client: Any, _: list[str]) -> None:
    await chat(client)


def asked_stream(client: Any, caller: list[str]) -> None:
    drain(chat(client, stream=True, stream_options={"include_usage": True}), caller, 8)


def plain_stream(client: Any, caller: list[str]) -> None:
    drain(chat(client, stream=True), caller, 7)


async def plain_async_stream(client: Any, caller: list[str]) -> None:
    count = 0
    async for _ in await chat(client, stream=True):
        count += 1
    if count != 7:
        caller.append(f"caller got {count} chunks instead of 7")


def with_stream(client: Any, caller: list[str]) -> None:
    with chat(client, stream=True, stream_options={"include_usage": True}) as stream:
        drain(stream, caller, 8)


def left(client: Any, _: list[str]) -> None:
    for _chunk in chat(client, stream=True):
        break


def closed(client: Any, _: list[str]) -> None:
    stream = chat(client, stream=True)
    next(stream)
    stream.close()


def never_read(client: Any, _: list[str]) -> None:
    chat(client, stream=True)


def callers_error(client: Any, _: list[str]) -> None:
    with contextlib.suppress(KeyError), chat(client, stream=True) as stream:
        next(stream)
        raise KeyError("caller")


async def cancelled(client: Any, _: list[str]) -> None:
    started = asyncio.Event()

    async def listen() -> None:
        asked = [{"role": "user", "content": SCRIPT + " #pause=300"}]
        stream = await client.chat.completions.create(
            model="gpt-4o-mini", messages=asked, stream=True
        )
        async for _chunk in stream:
            started.set()

    task = asyncio.create_task(listen())
    await started.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def looks(client: Any, caller: list[str]) -> None:
    import openai

    with chat(client, stream=True) as stream:
        if not isinstance(stream, openai.Stream):
            caller.append("isinstance False")
        if stream.response.status_code != 200:
            caller.append("no .response")
        for _ in stream:
            pass


def current_in_loop(client: Any, caller: list[str]) -> None:
    from opentelemetry import trace

    for _ in chat(client, stream=True, stream_options={"include_usage": True}):
        if trace.get_current_span().get_span_context().is_valid:
            caller.append("span current in the loop")
            return


def raw(client: Any, caller: list[str]) -> None:
    response = client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=MESSAGES
    )
    if response.headers["x-request-id"] != "req_loopback" or response.parse().usage is None:
        caller.append("raw response changed")


def raw_stream(client: Any, caller: list[str]) -> None:
    response = client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini",
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
    )
    drain(response.parse(), caller, 8)


def streamed(client: Any, caller: list[str]) -> None:
    with client.chat.completions.with_streaming_response.create(
        model="gpt-4o-mini", messages=MESSAGES
    ) as response:
        if response.http_response.is_stream_consumed:
            caller.append("body was read for the caller")
        response.parse()


async def streamed_async(client: Any, caller: list[str]) -> None:
    async with client.chat.completions.with_streaming_response.create(
        model="gpt-4o-mini", messages=MESSAGES
    ) as response:
        await response.parse()


def parse(client: Any, _: list[str]) -> None:
    client.chat.completions.parse(model="gpt-4o-mini", messages=MESSAGES)


def stream_helper(client: Any, _: list[str]) -> None:
    with client.chat.completions.stream(
        model="gpt-4o-mini", messages=MESSAGES, stream_options={"include_usage": True}
    ) as stream:
        stream.get_final_completion()


def respond(client: Any, _: list[str]) -> None:
    client.responses.create(model="gpt-4o-mini", input=SCRIPT)


def respond_stream(client: Any, _: list[str]) -> None:
    for _event in client.responses.create(model="gpt-4o-mini", input=SCRIPT, stream=True):
        pass


def respond_helper(client: Any, _: list[str]) -> None:
    with client.responses.stream(model="gpt-4o-mini", input=SCRIPT) as stream:
        stream.get_final_response()


def respond_parse(client: Any, _: list[str]) -> None:
    client.responses.parse(model="gpt-4o-mini", input=SCRIPT)


def retrieve(client: Any, _: list[str]) -> None:
    client.responses.retrieve("resp_1")


def embed(client: Any, _: list[str]) -> None:
    client.embeddings.create(model="text-embedding-3-small", input=SCRIPT)


def complete(client: Any, _: list[str]) -> None:
    client.completions.create(model="gpt-3.5-turbo-instruct", prompt=SCRIPT)


def draw(client: Any, _: list[str]) -> None:
    client.images.generate(model="gpt-image-1", prompt=SCRIPT)


def transcribe(client: Any, _: list[str]) -> None:
    client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.mp3", io.BytesIO(b"ID3"))
    )


def speak(client: Any, _: list[str]) -> None:
    client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there")


def refused(client: Any, _: list[str]) -> None:
    import openai

    with contextlib.suppress(openai.RateLimitError):
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "#status=429"}]
        )


def azure(client: Any, _: list[str]) -> None:
    import openai

    base = str(client.base_url).removesuffix("/v1/")
    with openai.AzureOpenAI(api_key="none", api_version="2024-10-21", azure_endpoint=base) as cloud:
        chat(cloud)


def tier(client: Any, _: list[str]) -> None:
    asked = {"stream_options": {"include_usage": True}, "service_tier": "flex"}
    for _chunk in chat(client, stream=True, **asked):
        pass


def poll(client: Any, caller: list[str]) -> None:
    made = client.responses.create(model="gpt-4o-mini", input=SCRIPT, background=True)
    polled = [client.responses.retrieve(made.id) for _ in range(2)]
    if any(response.usage is None for response in polled):
        caller.append("the response has no usage")


def read_batch(client: Any, caller: list[str]) -> None:
    job = client.batches.create(
        input_file_id="file-input", completion_window="24h", endpoint="/v1/chat/completions"
    )
    read = [client.files.content(f"file-{job.id}").text for _ in range(2)]
    if any(text.count("\n") != 4 for text in read):
        caller.append("lines of the file are lost")


def train(client: Any, _: list[str]) -> None:
    for _turn in range(2):
        client.fine_tuning.jobs.retrieve("ftjob-1")


def moderate(client: Any, _: list[str]) -> None:
    client.moderations.create(model="omni-moderation-latest", input=SCRIPT)


def contain(client: Any, _: list[str]) -> None:
    client.containers.create(name="c")


def google(url: str) -> Any:
    from google import genai

    return genai.Client(api_key="none", http_options=genai.types.HttpOptions(base_url=url))


def interact(url: str, _: list[str]) -> None:
    with google(url) as client:
        client.interactions.create(model="gemini-2.5-flash", input=SCRIPT)


def interact_stream(url: str, _: list[str]) -> None:
    with google(url) as client:
        list(client.interactions.create(model="gemini-2.5-flash", input=SCRIPT, stream=True))


def interact_later(url: str, _: list[str]) -> None:
    with google(url) as client:
        made = client.interactions.create(model="gemini-2.5-flash", input=SCRIPT, background=True)
        for _turn in range(2):
            client.interactions.get(made.id)


def generate(url: str, _: list[str]) -> None:
    with google(url) as client:
        client.models.generate_content(model="gemini-2.5-flash", contents=SCRIPT)


def embed_with_gemini(url: str, _: list[str]) -> None:
    with google(url) as client:
        client.models.embed_content(model="gemini-embedding-2", contents=f"{SCRIPT} #counted=1")


def read_geminis_batch(url: str, _: list[str]) -> None:
    with google(url) as client:
        job = client.batches.create(model="gemini-2.5-flash", src=[{"contents": SCRIPT}])
        for _turn in range(2):
            client.batches.get(name=job.name)


def amazon(url: str, service: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


NOVA = "us.amazon.nova-pro-v1:0"


def converse(url: str, _: list[str]) -> None:
    content = [{"text": SCRIPT}]
    with contextlib.closing(amazon(url, "bedrock-runtime")) as client:
        client.converse(modelId=NOVA, messages=[{"role": "user", "content": content}])


def ask_agent(url: str, _: list[str]) -> None:
    with contextlib.closing(amazon(url, "bedrock-agent-runtime")) as client:
        answer = client.invoke_agent(
            agentId="A1", agentAliasId="B1", sessionId="s1", inputText=SCRIPT, enableTrace=True
        )
        for _event in answer["completion"]:
            pass


def guard(url: str, _: list[str]) -> None:
    content = [{"text": {"text": "toll"}}]
    with contextlib.closing(amazon(url, "bedrock-runtime")) as client:
        client.apply_guardrail(
            guardrailIdentifier="g", guardrailVersion="1", source="INPUT", content=content
        )


def read_bedrocks_batch(url: str, _: list[str]) -> None:
    with contextlib.closing(amazon(url, "s3")) as client:
        for _turn in range(2):
            key = "nightly/abcdef123456/requests.jsonl.out"
            client.get_object(Bucket="out", Key=key)["Body"].read()


FETCHED = {"gen_ai.operation.name": "fetch_response", IN: None, OUT: None}
CASES = (
    Case("chat", chat_sync, counted()),
    Case("chat, async", chat_async, counted()),
    Case("cached and reasoning tokens", chat_sync, counted({CACHED: 60, REASONING: 5})),
    Case("stream with include_usage", asked_stream, counted()),
    Case("stream without include_usage", plain_stream, counted()),
    Case("async stream without include_usage", plain_async_stream, counted()),
    Case("with stream:", with_stream, counted()),
    Case("break", left, nothing_invented),
    Case("close", closed, nothing_invented),
    Case("never iterated", never_read, nothing_invented),
    Case(
        "caller's error inside with",
        callers_error,
        expect_span(attributes={"error.type": "KeyError", IN: None}, status="ERROR"),
    ),
    Case("task cancelled", cancelled, reports_cancellation),
    Case("isinstance, .response", looks, lambda seen: None if seen.spans else "no span"),
    Case("span not current in the loop", current_in_loop, counted()),
    Case("with_raw_response", raw, counted()),
    Case("with_raw_response + stream", raw_stream, counted()),
    Case("with_streaming_response", streamed, counted()),
    Case("with_streaming_response, async", streamed_async, counted()),
    Case("chat.completions.parse", parse, counted()),
    Case("chat.completions.stream", stream_helper, counted()),
    Case("responses.create", respond, counted()),
    Case("responses.create stream=True", respond_stream, counted()),
    Case("responses.stream", respond_helper, counted()),
    Case("responses.parse", respond_parse, counted()),
    Case("responses.retrieve", retrieve, expect_span(attributes=FETCHED)),
    Case("embeddings", embed, expect_span(attributes={IN: 100})),
    Case("legacy completions", complete, counted()),
    Case("images.generate", draw, counted()),
    Case("audio.transcriptions", transcribe, expect_span(attributes={IN: 114, OUT: 20})),
    Case("audio.speech", speak, expect_span(attributes={"gen_ai.request.model": "tts-1"})),
    Case(
        "429 error",
        refused,
        expect_span(attributes={"error.type": "openai.RateLimitError"}, status="ERROR"),
    ),
    Case("Azure client", azure, counted({"gen_ai.provider.name": "azure.ai.openai"})),
    Case("service tier in a stream", tier, counted({"openai.response.service_tier": "flex"})),
    Case("response in the background, polled twice", poll, expect_calls(1, attributes={OUT: 20})),
    Case("batch results, read twice", read_batch, expect_calls(3, attributes=TOKENS)),
    Case(
        "fine-tuning job, read twice",
        train,
        expect_calls(1, attributes={"spantoll.usage.units.training_tokens": 5_000}),
    ),
    Case("moderations.create (free)", moderate, expect_calls(0, attributes={})),
    Case(
        "containers.create",
        contain,
        expect_span(attributes={"spantoll.usage.units.container_sessions": 1}),
    ),
    Case("google: generate_content", generate, counted(), "google"),
    Case("google: embed_content", embed_with_gemini, expect_span(attributes={IN: 100}), "google"),
    Case("google: interaction", interact, counted({CACHED: 60, REASONING: 5}), "google"),
    Case("google: interaction, stream", interact_stream, counted({CACHED: 60}), "google"),
    Case(
        "google: interaction in the background, polled twice",
        interact_later,
        expect_calls(1, attributes=TOKENS),
        "google",
    ),
    Case(
        "google: batch results, read twice",
        read_geminis_batch,
        expect_calls(2, attributes=TOKENS),
        "google",
    ),
    Case("bedrock: converse", converse, counted({CACHED: 60}), "bedrock"),
    Case("bedrock: agent", ask_agent, expect_calls(2, attributes=TOKENS), "bedrock"),
    Case(
        "bedrock: guardrail",
        guard,
        expect_span(attributes={"spantoll.usage.units.guardrail_content_units": 2}),
        "bedrock",
    ),
    Case(
        "bedrock: batch results, read twice",
        read_bedrocks_batch,
        expect_calls(2, attributes=TOKENS),
        "bedrock",
    ),
)


def observe(case: Case, base_url: str, take: Callable[[], list[Any]]) -> str | None:
    """Run one case; None if all is right, else the first thing that is not."""
    import openai

    seen = Seen([])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if case.sdk != "openai":
            case.run(base_url.removesuffix("/v1"), seen.caller)
            seen.spans = take()
        elif inspect.iscoroutinefunction(case.run):

            async def work() -> None:
                async with openai.AsyncOpenAI(
                    api_key="none", base_url=base_url, max_retries=0
                ) as client:
                    await case.run(client, seen.caller)
                    seen.spans = take()

            asyncio.run(work())
        else:
            with openai.OpenAI(api_key="none", base_url=base_url, max_retries=0) as client:
                case.run(client, seen.caller)
                seen.spans = take()
        gc.collect()
    late = take()
    unawaited = [str(one.message) for one in caught if "never awaited" in str(one.message)]
    wrong = case.judge(seen)
    if wrong is None and late:
        wrong = "a second span"
    if wrong == "no span" and late:
        wrong = f"span only when collected, {case.judge(Seen(late)) or 'then right'}"
    return wrong or next(iter(seen.caller + unawaited), None)


@contextlib.contextmanager
def recording() -> Iterator[tuple[Any, Callable[[], list[Any]]]]:
    """A tracer provider, and a function that takes the spans that ended."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def take() -> list[Any]:
        spans = list(exporter.get_finished_spans())
        exporter.clear()
        return spans

    yield provider, take
    provider.shutdown()


def column(name: str, base_url: str) -> list[str | None]:
    """Run every case under the instrumentations of a column."""
    instrumentors = []
    for target in COLUMNS[name]:
        module, _, kind = target.partition(":")
        instrumentors.append(getattr(importlib.import_module(module), kind)())
    with recording() as (provider, take):
        for instrumentor in instrumentors:
            instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
        try:
            return [observe(case, base_url, take) for case in CASES]
        finally:
            for instrumentor in instrumentors:
                instrumentor.uninstrument()


def is_missing(error: Exception) -> bool:
    """Whether an old SDK has no such method or argument."""
    return "has no attribute" in str(error) or "unexpected keyword argument" in str(error)


def with_sdk(base_url: str) -> bool:
    """Run our column with whatever SDK there is; say what it does not have."""
    right = True
    print(f"openai {importlib.metadata.version('openai')}")
    with recording() as (provider, take):
        instrumentation.instrument(tracer_provider=provider)
        for case in CASES:
            if case.sdk != "openai":
                continue
            try:
                wrong = observe(case, base_url, take)
            except (AttributeError, TypeError) as error:
                if not is_missing(error):
                    raise
                print(f"{case.name}: not in this SDK")
                continue
            right = right and wrong is None
            print(f"{case.name}: {wrong or 'right'}")
        instrumentation.uninstrument()
    return right


def beside_the_peer(base_url: str) -> bool:
    """Print the matrix; whether every cell of ours is right."""
    columns = {name: column(name, base_url) for name in COLUMNS}
    width = max(len(case.name) for case in CASES)
    for package in ("openai", "google-genai", "boto3", *OFFICIAL):
        print(f"{package} {importlib.metadata.version(package)}")
    print(f"\n{'':{width}}  {'official':44}  spantoll")
    for at, case in enumerate(CASES):
        cells = [columns[name][at] or "right" for name in COLUMNS]
        print(f"{case.name:{width}}  {cells[0][:44]:44}  {cells[1]}")
    for name in COLUMNS:
        print(f"{name}: {columns[name].count(None)} of {len(CASES)} right")
    return columns["spantoll"].count(None) == len(CASES)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sdk", help="an SDK version, such as openai==1.30.5, without the peer")
    sdk = parser.parse_args().sdk
    if sdk is None:
        python = environment("matrix", *ENVIRONMENT)
    elif importlib.metadata.version("openai") == sdk.partition("==")[2]:
        python = sys.executable
    else:
        # The SDK of that time does not run with later releases of its HTTP library.
        python = environment(sdk.replace("==", "-"), sdk, "httpx<0.28")
    if python != sys.executable:
        sys.exit(subprocess.run([python, *sys.argv], check=False).returncode)
    os.environ.update(SILENT)
    with LoopbackProvider() as provider:
        base_url = f"{provider.url}/v1"
        sys.exit(0 if (with_sdk if sdk else beside_the_peer)(base_url) else 1)


if __name__ == "__main__":
    main()
