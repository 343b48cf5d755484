"""Bedrock's agents, flows, guardrails, knowledge bases and batch results, by boto3."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from aiobotocore.session import get_session
from botocore.config import Config

from spantoll.instrumentation import attributes, submissions
from spantoll.instrumentation.providers.bedrock import batches
from tests.instrumentation.scenes import exhaust, select_keys

SCRIPT = "Hello #input=1000 #output=20"
NOVA_PRO, NOVA_LITE = "us.amazon.nova-pro-v1:0", "us.amazon.nova-lite-v1:0"
COST_NANO = {NOVA_LITE: 1000 * 60 + 20 * 240, NOVA_PRO: 1000 * 800 + 20 * 3_200}
"""aws.amazon.com/bedrock/pricing: 0.06 dollars per million in, 0.24 out; 0.80 in, 3.20 out."""
STATIC: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "none",
    "aws_secret_access_key": "none",
}
FILE = {"Bucket": "out", "Key": "nightly/abcdef123456/requests.jsonl.out"}
UNITS = {
    "spantoll.usage.units.guardrail_topic_units": 1,
    "spantoll.usage.units.guardrail_content_units": 2,
    "spantoll.usage.units.guardrail_sensitive_information_units": 1,
}


@pytest.fixture(autouse=True)
def no_jobs() -> Iterator[None]:
    batches._models.clear()
    submissions._submissions.clear()
    yield
    batches._models.clear()
    submissions._submissions.clear()


@pytest.fixture
def aws(provider: Any) -> Iterator[Callable[[str], Any]]:
    """Make clients of a service, which are closed at the end."""
    made: list[Any] = []

    def client(service: str) -> Any:
        config = Config(
            retries={"max_attempts": 1},
            s3={"addressing_style": "path"},
            response_checksum_validation="when_required",
        )
        found = boto3.client(service, endpoint_url=provider.url, config=config, **STATIC)
        made.append(found)
        return found

    yield client
    for each in made:
        each.close()


def invoke_agent(aws: Callable[[str], Any], *, traced: bool) -> None:
    answer = aws("bedrock-agent-runtime").invoke_agent(
        agentId="AGENT1",
        agentAliasId="ALIAS1",
        sessionId="s1",
        inputText=SCRIPT,
        enableTrace=traced,
    )
    exhaust(answer["completion"])


def invoke_inline_agent(aws: Callable[[str], Any], *, traced: bool) -> None:
    answer = aws("bedrock-agent-runtime").invoke_inline_agent(
        foundationModel=NOVA_PRO,
        instruction="Answer what the caller asks for, and nothing else.",
        sessionId="s1",
        inputText=SCRIPT,
        enableTrace=traced,
    )
    exhaust(answer["completion"])


def invoke_flow(aws: Callable[[str], Any], *, traced: bool) -> None:
    answer = aws("bedrock-agent-runtime").invoke_flow(
        flowIdentifier="FLOW1",
        flowAliasIdentifier="ALIAS1",
        inputs=[
            {"content": {"document": SCRIPT}, "nodeName": "start", "nodeOutputName": "document"}
        ],
        enableTrace=traced,
    )
    exhaust(answer["responseStream"])


ABOVE: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "agent": (
        invoke_agent,
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.id": "AGENT1",
            "gen_ai.conversation.id": "s1",
        },
        ["reported", "reported"],
    ),
    "inline agent": (
        invoke_inline_agent,
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": NOVA_PRO},
        ["reported", "reported"],
    ),
    # No trace has the prompts of a flow.
    "flow": (
        invoke_flow,
        {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "FLOW1"},
        ["reported", "reported", "missing"],
    ),
}


@pytest.mark.parametrize(("invoke", "expected", "statuses"), ABOVE.values(), ids=list(ABOVE))
def test_each_model_request_of_an_agent_is_billed_below_it(
    aws: Any, spans: Any, billed: Any, invoke: Any, expected: dict[str, Any], statuses: list[str]
) -> None:
    with attributes(customer_id="acme"):
        invoke(aws, traced=True)

    *below, above = spans.all()
    assert select_keys(dict(above.attributes), expected) == expected
    assert [span.attributes["spantoll.usage.status"] for span in below] == statuses
    assert {span.parent.span_id for span in below} == {above.context.span_id}
    rows = [row for row in billed() if row["cost_nano"]]
    assert {row["request_model"]: row["cost_nano"] for row in rows} == COST_NANO
    assert {row["customer_id"] for row in rows} == {"acme"}


@pytest.mark.parametrize("invoke", [each[0] for each in ABOVE.values()], ids=list(ABOVE))
def test_an_agent_without_traces_is_a_call_whose_usage_is_missing(
    aws: Any, spans: Any, billed: Any, invoke: Any
) -> None:
    invoke(aws, traced=False)

    assert len(spans.all()) == 2
    assert [(row["operation"], row["usage_quality"]) for row in billed()] == [("chat", "missing")]


@pytest.mark.parametrize("stream", [False, True])
def test_a_knowledge_bases_answer_is_missing_its_usage(aws: Any, spans: Any, stream: bool) -> None:
    arn = f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA_PRO}"
    knowledge = {"knowledgeBaseId": "KB1", "modelArn": arn}
    asked: Any = {
        "input": {"text": SCRIPT},
        "retrieveAndGenerateConfiguration": {
            "type": "KNOWLEDGE_BASE",
            "knowledgeBaseConfiguration": knowledge,
        },
    }
    client = aws("bedrock-agent-runtime")
    if stream:
        exhaust(client.retrieve_and_generate_stream(**asked)["stream"])
    else:
        client.retrieve_and_generate(**asked)

    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": arn,
        "spantoll.usage.status": "missing",
    }
    assert select_keys(spans.attributes(), expected) == expected


def test_a_rerank_of_sources_is_missing_its_usage(aws: Any, spans: Any) -> None:
    arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.rerank-v1:0"
    text = {"type": "TEXT", "textDocument": {"text": "a"}}
    aws("bedrock-agent-runtime").rerank(
        queries=[{"type": "TEXT", "textQuery": {"text": "toll"}}],
        sources=[{"type": "INLINE", "inlineDocumentSource": text}],
        rerankingConfiguration={
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": {"modelConfiguration": {"modelArn": arn}},
        },
    )

    found = spans.attributes()
    assert (found["gen_ai.operation.name"], found["gen_ai.request.model"]) == ("rerank", arn)
    assert found["spantoll.usage.status"] == "missing"


def test_a_guardrail_reports_the_units_that_are_billed(aws: Any, spans: Any, billed: Any) -> None:
    aws("bedrock-runtime").apply_guardrail(
        guardrailIdentifier="g1",
        guardrailVersion="1",
        source="INPUT",
        content=[{"text": {"text": "toll"}}],
    )

    expected = UNITS | {"gen_ai.operation.name": "moderation", "aws.bedrock.guardrail.id": "g1"}
    expected |= {"spantoll.usage.status": "reported"}
    assert select_keys(spans.attributes(), expected) == expected
    assert "spantoll.usage.units.guardrail_grounding_units" not in spans.attributes()
    # 2 units of content at $0.15, 1 of a topic at $0.15 and 1 of personal data at $0.10 per 1,000.
    assert [row["cost_nano"] for row in billed()] == [550_000]


def test_checks_report_their_units_and_have_no_price(aws: Any, spans: Any, billed: Any) -> None:
    aws("bedrock-runtime").invoke_guardrail_checks(
        messages=[{"role": "user", "content": [{"text": "toll"}]}],
        checks={"contentFilter": {"categories": [{"category": "VIOLENCE"}]}},
    )

    expected = {
        "gen_ai.operation.name": "moderation",
        "spantoll.usage.units.guardrail_content_units": 2,
        "spantoll.usage.units.guardrail_prompt_attack_units": 1,
        "spantoll.usage.status": "reported",
    }
    assert select_keys(spans.attributes(), expected) == expected
    assert [row["pricing_status"] for row in billed()] == ["unpriced"]


@pytest.mark.parametrize("stream", [False, True])
def test_the_guardrail_of_a_conversation_is_billed_where_it_is_traced(
    aws: Any, spans: Any, billed: Any, stream: bool
) -> None:
    client = aws("bedrock-runtime")
    asked: Any = {
        "modelId": NOVA_PRO,
        "messages": [{"role": "user", "content": [{"text": SCRIPT}]}],
        "guardrailConfig": {
            "guardrailIdentifier": "g1",
            "guardrailVersion": "1",
            "trace": "enabled",
        },
    }
    if stream:
        exhaust(client.converse_stream(**asked)["stream"])
    else:
        client.converse(**asked)

    expected = {key: count * 2 for key, count in UNITS.items()}
    expected |= {"gen_ai.usage.input_tokens": 1000}
    assert select_keys(spans.attributes(), expected) == expected
    assert [row["pricing_status"] for row in billed()] == ["priced"]


@pytest.mark.parametrize("stream", [False, True])
def test_the_guardrail_of_an_invoked_model_is_billed_where_it_is_traced(
    aws: Any, spans: Any, billed: Any, stream: bool
) -> None:
    client = aws("bedrock-runtime")
    asked: Any = {
        "modelId": NOVA_PRO,
        "body": json.dumps({"messages": [{"role": "user", "content": [{"text": SCRIPT}]}]}),
        "guardrailIdentifier": "g1",
        "guardrailVersion": "1",
        "trace": "ENABLED",
    }
    if stream:
        exhaust(client.invoke_model_with_response_stream(**asked)["body"])
    else:
        client.invoke_model(**asked)["body"].read()

    expected = {key: count * 2 for key, count in UNITS.items()}
    expected |= {"gen_ai.usage.input_tokens": 1000}
    assert select_keys(spans.attributes(), expected) == expected
    assert [row["pricing_status"] for row in billed()] == ["priced"]


def create_job(aws: Callable[[str], Any]) -> None:
    aws("bedrock").create_model_invocation_job(
        jobName="nightly",
        roleArn="arn:aws:iam::123456789012:role/batch",
        modelId=NOVA_PRO,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://in/requests.jsonl"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://out/nightly/"}},
    )


def test_each_result_of_a_batch_is_billed_when_its_file_is_read(
    aws: Any, spans: Any, billed: Any
) -> None:
    with attributes(customer_id="acme"):
        create_job(aws)
    for _ in range(2):
        lines = aws("s3").get_object(**FILE)["Body"].read().splitlines()

    submission, *results = spans.all()
    expected = {
        "gen_ai.request.model": NOVA_PRO,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "spantoll.request.batch": True,
        "spantoll.region": "us-east-1",
        "spantoll.metadata.batch_id": "abcdef123456",
        "spantoll.metadata.batch_custom_id": "request-0",
        "spantoll.customer_id": "acme",
    }
    assert json.loads(lines[0])["recordId"] == "request-0"
    assert select_keys(dict(results[0].attributes), expected) == expected
    assert results[0].links[0].context.span_id == submission.context.span_id
    assert [span.context.span_id for span in results[:3]] == [
        span.context.span_id for span in results[3:]
    ]
    assert results[2].attributes["error.type"] == "400"
    # Half of 0.80 and 3.20 dollars per million.
    assert [row["cost_nano"] for row in billed() if row["cost_nano"]] == [
        100 * 400 + 20 * 1_600
    ] * 2


def test_the_job_that_is_polled_names_the_model_of_its_results(aws: Any, spans: Any) -> None:
    job = "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdef123456"
    aws("bedrock").get_model_invocation_job(jobIdentifier=job)
    for _ in aws("s3").get_object(**FILE)["Body"].iter_lines():
        pass

    assert len(spans.all()) == 3
    assert spans.all()[0].attributes["gen_ai.request.model"] == NOVA_PRO


@pytest.mark.parametrize("more", [{"Range": "bytes=0-99"}, {"Key": "nightly/requests.csv"}])
def test_a_range_and_any_other_file_are_no_results(
    aws: Any, spans: Any, more: dict[str, str]
) -> None:
    client = aws("s3")
    with contextlib.suppress(client.exceptions.ClientError):
        client.get_object(**{**FILE, **more})["Body"].read()

    assert spans.all() == ()


async def test_aiobotocore_reads_results_likewise(provider: Any, spans: Any) -> None:
    config = Config(s3={"addressing_style": "path"}, response_checksum_validation="when_required")
    made = get_session().create_client("s3", endpoint_url=provider.url, config=config, **STATIC)
    async with made as client:
        answer = await client.get_object(**FILE)
        await answer["Body"].read()

    assert [span.attributes.get("gen_ai.usage.input_tokens") for span in spans.all()] == [
        100,
        100,
        None,
    ]


OLD = """
import boto3
static = dict(region_name="us-east-1", endpoint_url=url)
static |= dict(aws_access_key_id="none", aws_secret_access_key="none")
client = boto3.client("bedrock-agent-runtime", **static)
text = "Hello #input=100 #output=20"
answer = client.invoke_agent(
    agentId="AGENT1", agentAliasId="ALIAS1", sessionId="s1", inputText=text, enableTrace=True
)
list(answer["completion"])
client = boto3.client("s3", **static)
client.get_object(Bucket="out", Key="nightly/abcdef123456/requests.jsonl.out")["Body"].read()
"""


def test_botocore_1_36_reports_agents_and_results_as_todays_does(older: Any) -> None:
    found = older(OLD, "boto3==1.36.3", "botocore==1.36.3", "aiobotocore==2.19.0")

    counts = [span.get("gen_ai.usage.input_tokens") for span in found]
    assert counts == [100, 100, None, 100, 100, None]
