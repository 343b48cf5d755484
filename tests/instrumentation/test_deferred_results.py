"""Batch jobs and background responses: each result is one span, however often it is read."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from groq import Groq
from mistralai.client import Mistral
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from sqlalchemy import RowMapping, select

from spantoll import instrumentation
from spantoll.instrumentation import attributes, submissions
from spantoll.pipeline import Ingest, Ledger, make_settle
from spantoll.pricing import load_rate_card
from spantoll.records import usage_record
from spantoll.storage import open_store

WINDOW: Any = {"completion_window": "24h", "endpoint": "/v1/chat/completions"}
REQUESTS: Any = [
    {
        "custom_id": "request-0",
        "params": {
            "model": "claude-sonnet-4-5-20250929",
            "max_tokens": 10,
            "messages": [{"role": "user", "content": "x"}],
        },
    }
]


def openai_batch(url: str) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{url}/v1") as client:
        job = client.batches.create(input_file_id="file-input", **WINDOW)
        done = client.batches.retrieve(job.id)
        assert client.files.content(done.output_file_id or "").text.count("\n") == 4


def azure_batch(url: str) -> None:
    with openai.AzureOpenAI(api_key="none", azure_endpoint=url, api_version="2025-04-01") as client:
        job = client.batches.create(input_file_id="file-input", **WINDOW)
        client.files.content(client.batches.retrieve(job.id).output_file_id or "")


def groq_batch(url: str) -> None:
    with Groq(api_key="none", base_url=url) as client:
        job = client.batches.create(input_file_id="file-input", **WINDOW)
        client.files.content(client.batches.retrieve(job.id).output_file_id or "")


def anthropic_batch(url: str) -> None:
    with anthropic.Anthropic(api_key="none", base_url=url) as client:
        job = client.messages.batches.create(requests=REQUESTS)
        assert len(list(client.messages.batches.results(job.id))) == 4


def anthropic_beta_batch(url: str) -> None:
    with anthropic.Anthropic(api_key="none", base_url=url) as client:
        job = client.beta.messages.batches.create(requests=REQUESTS)
        assert len(list(client.beta.messages.batches.results(job.id))) == 4


def gemini_client(url: str) -> genai.Client:
    return genai.Client(api_key="none", http_options=genai.types.HttpOptions(base_url=url))


def gemini_batch(url: str) -> None:
    with gemini_client(url) as client:
        requests: Any = [{"contents": "x"}]
        job = client.batches.create(model="gemini-2.5-flash", src=requests)
        client.batches.get(name=job.name or "")


def gemini_results(url: str, batch: str) -> None:
    with gemini_client(url) as client:
        client.batches.get(name=batch)


def mistral_batch(url: str) -> None:
    with Mistral(api_key="none", server_url=url) as client:
        job = client.batch.jobs.create(endpoint="/v1/chat/completions", input_files=["file-1"])
        done = client.batch.jobs.get(job_id=job.id)
        client.files.download(file_id=done.output_file or "").read()


def mistral_results(url: str, batch: str) -> None:
    with Mistral(api_key="none", server_url=url) as client:
        client.files.download(file_id=f"file-{batch}").read()


GPT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.output_tokens": 20,
    "spantoll.request.batch": True,
    "spantoll.usage.status": "reported",
    "spantoll.metadata.batch_custom_id": "request-0",
}
CLAUDE = GPT | {"gen_ai.response.model": "claude-sonnet-4-5-20250929"}
BATCHES: dict[str, tuple[Callable[[str], None], dict[str, Any], int]] = {
    "OpenAI": (openai_batch, GPT | {"gen_ai.provider.name": "openai"}, 3),
    "Azure": (azure_batch, GPT | {"gen_ai.provider.name": "azure.ai.openai"}, 3),
    "Groq": (groq_batch, GPT | {"gen_ai.provider.name": "groq"}, 3),
    "Anthropic": (anthropic_batch, CLAUDE | {"gen_ai.provider.name": "anthropic"}, 2),
    "Anthropic, beta": (anthropic_beta_batch, CLAUDE | {"gen_ai.provider.name": "anthropic"}, 2),
}
BATCHES |= {
    "Gemini": (
        gemini_batch,
        {key: value for key, value in GPT.items() if key != "spantoll.metadata.batch_custom_id"}
        | {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.response.model": "gemini-2.5-flash",
            "gen_ai.provider.name": "gcp.gemini",
        },
        2,
    ),
    "Mistral": (mistral_batch, GPT | {"gen_ai.provider.name": "mistral_ai"}, 3),
}
batches = pytest.mark.parametrize(("run", "expected", "count"), BATCHES.values(), ids=list(BATCHES))


def ids(spans: Any) -> list[tuple[int, int]]:
    contexts = [span.context for span in spans]
    return [(context.trace_id, context.span_id) for context in contexts]


@batches
def test_each_result_is_one_span_with_a_link_to_its_submission(
    provider: Any, spans: Any, run: Callable[[str], None], expected: dict[str, Any], count: int
) -> None:
    run(provider.url)

    submission, *results = spans.all()
    failed = [span for span in results if "error.type" in span.attributes]
    first = dict(results[0].attributes)
    assert dict(submission.attributes)["gen_ai.operation.name"] == "create_batch"
    assert "spantoll.usage.status" not in submission.attributes
    assert {key: first.get(key) for key in expected} == expected
    assert (
        first["spantoll.metadata.batch_id"] == submission.attributes["spantoll.metadata.batch_id"]
    )
    assert (len(results) - len(failed), len(failed)) == (count, 1)
    assert [link.context for link in results[0].links] == [submission.get_span_context()]
    assert len(set(ids(results))) == len(results)


@batches
def test_results_that_are_read_twice_are_the_same_spans(
    provider: Any, spans: Any, run: Callable[[str], None], expected: dict[str, Any], count: int
) -> None:
    read_again = {
        "openai": openai_results,
        "azure.ai.openai": azure_results,
        "groq": groq_results,
        "anthropic": anthropic_results,
        "gcp.gemini": gemini_results,
        "mistral_ai": mistral_results,
    }[expected["gen_ai.provider.name"]]
    run(provider.url)
    submission, *results = spans.all()
    forget(spans)

    read_again(provider.url, dict(submission.attributes)["spantoll.metadata.batch_id"])

    again = spans.all()[1 + len(results) :]
    assert ids(again) == ids(results)
    assert [not span.links for span in again] == [True] * len(again)


def forget(spans: Any) -> None:
    """Do as another process, which knows nothing of the submission."""
    submissions._submissions.clear()
    submissions._batch_of_file.clear()
    instrumentation.uninstrument()
    instrumentation.instrument(tracer_provider=spans.provider)


def openai_results(url: str, batch: str) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{url}/v1") as client:
        client.files.content(f"file-{batch}")


def azure_results(url: str, batch: str) -> None:
    with openai.AzureOpenAI(api_key="none", azure_endpoint=url, api_version="2025-04-01") as client:
        client.files.content(f"file-{batch}")


def groq_results(url: str, batch: str) -> None:
    with Groq(api_key="none", base_url=url) as client:
        client.files.content(f"file-{batch}")


def anthropic_results(url: str, batch: str) -> None:
    with anthropic.Anthropic(api_key="none", base_url=url) as client:
        list(client.messages.batches.results(batch))


def write(deliveries: list[Any]) -> list[RowMapping]:
    """The records of a ledger that receives these spans one delivery after the other."""
    card = load_rate_card()
    store = open_store("memory:")
    ledger = Ledger(store, settle=make_settle(card))
    for spans in deliveries:
        sent = encode_spans(spans).SerializeToString()
        batch = Ingest(card).traces(
            sent, received_ns=time.time_ns(), content_type="application/x-protobuf"
        )
        ledger.write(batch.records, rates=batch.rates)
    with store.engine.connect() as connection:
        rows = list(connection.execute(select(usage_record)).mappings())
    store.close()
    return rows


def test_a_batch_that_is_read_twice_is_billed_once_as_a_batch(provider: Any, spans: Any) -> None:
    anthropic_batch(provider.url)
    first = spans.all()
    forget(spans)
    anthropic_results(provider.url, first[0].attributes["spantoll.metadata.batch_id"])
    again = spans.all()[len(first) :]

    rows = write([first, again, first])

    billed = [row for row in rows if row["counted"] and row["input_tokens"]]
    assert len(billed) == 2
    assert all(row["batch"] for row in billed)
    # Half of 40 x 3 + 60 x 0.30 + 20 x 15 USD per million tokens.
    assert {row["cost_nano"] for row in billed} == {219_000}


def test_a_result_has_the_attribution_of_its_batch(provider: Any, spans: Any) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{provider.url}/v1") as client:
        with attributes(customer_id="acme", team="search"):
            job = client.batches.create(input_file_id="file-input", **WINDOW)
        client.batches.retrieve(job.id)
        with attributes(team="reader"):
            client.files.content(f"file-{job.id}")

    found = dict(spans.all()[1].attributes)
    assert (found["spantoll.customer_id"], found["spantoll.team"]) == ("acme", "reader")


def test_another_file_makes_no_span(provider: Any, spans: Any) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{provider.url}/v1") as client:
        client.files.content("file-notes")
        spans_before = len(spans.all())
        with pytest.raises(openai.NotFoundError):
            client.files.content("missing/one")

    assert len(spans.all()) == spans_before


async def test_an_async_client_reads_the_same_results(provider: Any, spans: Any) -> None:
    url = f"{provider.url}/v1"
    async with openai.AsyncOpenAI(api_key="none", base_url=url) as client:
        await client.files.content("file-batch_1")
    async with anthropic.AsyncAnthropic(api_key="none", base_url=provider.url) as claude:
        items = [item async for item in await claude.messages.batches.results("msgbatch_1")]
    found = ids(spans.all())

    openai_results(provider.url, "batch_1")
    anthropic_results(provider.url, "msgbatch_1")

    assert len(items) == 4
    assert ids(spans.all())[len(found) :] == found


def test_a_response_in_the_background_is_one_call_however_often_it_is_polled(
    provider: Any, spans: Any
) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{provider.url}/v1") as client:
        made = client.responses.create(model="gpt-4o", input="x", background=True)
        for _ in range(3):
            client.responses.retrieve(made.id)
        list(client.responses.retrieve(made.id, stream=True))

    rows = write([spans.all()[:2], spans.all()[2:]])

    billed = [row for row in rows if row["counted"] and row["input_tokens"]]
    assert len(billed) == 1
    assert billed[0]["output_tokens"] == 20
    assert not billed[0]["batch"]
    assert not any(row["counted"] and row["usage_quality"] == "missing" for row in rows)


def test_a_stored_response_that_is_read_again_reports_no_usage(provider: Any, spans: Any) -> None:
    with openai.OpenAI(api_key="none", base_url=f"{provider.url}/v1") as client:
        client.responses.retrieve("resp_1")

    assert spans.attributes()["gen_ai.operation.name"] == "fetch_response"
    assert "gen_ai.usage.input_tokens" not in spans.attributes()


def test_geminis_results_in_a_file_are_counted_by_key(provider: Any, spans: Any) -> None:
    with gemini_client(provider.url) as client:
        job = client.batches.get(name="batches/in-a-file-1")
        client.files.download(file=(job.dest and job.dest.file_name) or "")

    found = [dict(span.attributes) for span in spans.all()]
    assert [values["spantoll.metadata.batch_custom_id"] for values in found] == [
        "request-0",
        "request-1",
        "request-failed",
    ]
    assert found[0]["spantoll.metadata.batch_id"] == "batches/in-a-file-1"
    assert found[0]["gen_ai.usage.input_tokens"] == 100
    assert found[2]["error.type"] == "3"


def test_mistrals_results_inline_are_those_of_openais_shape(provider: Any, spans: Any) -> None:
    with Mistral(api_key="none", server_url=provider.url) as client:
        client.batch.jobs.get(job_id="batch_7", inline=True)

    assert len([span for span in spans.all() if "error.type" not in span.attributes]) == 3
