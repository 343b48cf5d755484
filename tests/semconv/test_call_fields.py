"""Outcome, attribution, cost, tier and stream of a call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spantoll.otlp import Event
from tests.semconv.spans import GENAI, OTEL, read_call


def exception(kind: str, text: str) -> Event:
    return Event("exception", 1, {"exception.type": kind, "exception.message": text})


@pytest.mark.parametrize(
    ("more", "attributes", "outcome"),
    [
        ({}, {}, ("success", None, None)),
        ({"status_code": 1}, {}, ("success", None, None)),
        ({"status_code": 2, "status_message": "no"}, {}, ("error", None, "no")),
        ({}, {"error.type": "RateLimitError"}, ("error", "RateLimitError", None)),
        (
            {"status_code": 2},
            {"error.type": "openai.APITimeoutError"},
            ("timeout", "openai.APITimeoutError", None),
        ),
        (
            {"status_code": 2},
            {"error.type": "CancelledError"},
            ("cancelled", "CancelledError", None),
        ),
        ({"status_code": 2, "events": (exception("E", "boom"),)}, {}, ("error", "E", "boom")),
    ],
)
def test_outcome_is_read(
    more: dict[str, Any], attributes: dict[str, Any], outcome: tuple[str | None, ...]
) -> None:
    found = read_call(OTEL, GENAI | attributes, **more)

    assert (found.status, found.error_type, found.error_message) == outcome


def test_semantic_kernel_spells_errors_and_reasons_its_own_way() -> None:
    attributes = {
        "error.type": "<class 'openai.RateLimitError'>",
        "gen_ai.response.finish_reason": "FinishReason.STOP,FinishReason.LENGTH",
    }

    found = read_call(
        "semantic_kernel.utils.telemetry.model_diagnostics.decorators", GENAI | attributes
    )

    assert (found.error_type, found.finish_reasons) == ("openai.RateLimitError", ("stop", "length"))


@pytest.mark.parametrize(
    ("attributes", "field", "value"),
    [
        ({"user.id": "ann"}, "user_id", "ann"),
        ({"enduser.id": "ann"}, "user_id", "ann"),
        ({"spantoll.user_id": "bob", "user.id": "ann"}, "user_id", "bob"),
        ({"gen_ai.conversation.id": "c1"}, "session_id", "c1"),
        ({"traceloop.association.properties.session_id": "s"}, "session_id", "s"),
        ({"ai.telemetry.metadata.userId": "u"}, "user_id", "u"),
        ({"metadata.user_api_key_team_id": "t"}, "team", "t"),
        ({"customer.id": 42}, "customer_id", "42"),
        ({}, "service_name", "shop"),
        ({"deployment.environment.name": "prod"}, "environment", "prod"),
    ],
)
def test_attribution_is_read(attributes: dict[str, Any], field: str, value: str) -> None:
    assert getattr(read_call(OTEL, GENAI | attributes).attribution, field) == value


def test_span_attributes_outrank_the_resource() -> None:
    resource = {"service.name": "shop", "team": "platform", "cost_center": "7"}
    attributes = GENAI | {"team": "search", "spantoll.metadata.feature": "answers"}

    found = read_call(OTEL, attributes, resource=resource).attribution

    assert found.team == "search"
    assert found.metadata == {"cost_center": "7", "feature": "answers"}


def test_streams_costs_tiers_and_times_are_read() -> None:
    attributes = GENAI | {
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.response.finish_reasons": '["stop"]',
        "openai.request.service_tier": "auto",
        "openai.response.service_tier": "flex",
        "gen_ai.usage.cost.amount": 0.5,
        "gen_ai.usage.cost.source": "provider",
        "spantoll.usage.units.web_searches": 2,
        "spantoll.request.batch": True,
        "spantoll.request.speed": "fast",
        "spantoll.request.search_context_size": "low",
        "spantoll.data_residency": "eu",
        "spantoll.endpoint_scope": "regional",
        "server.port": 443,
    }

    found = read_call(OTEL, attributes)

    assert (found.stream, found.time_to_first_chunk_ns) == (True, 250_000_000)
    assert found.finish_reasons == ("stop",)
    assert (found.service_tier_requested, found.service_tier) == ("auto", "flex")
    assert found.reported_cost is not None
    assert (str(found.reported_cost.amount), found.reported_cost.source) == ("0.5", "provider")
    assert found.usage.extra == {"web_searches": 2}
    assert (found.batch, found.server_port) == (True, 443)
    assert (found.speed_requested, found.search_context_size) == ("fast", "low")
    assert (found.data_residency, found.endpoint_scope) == ("eu", "regional")


def test_a_price_that_we_put_on_a_span_is_no_report() -> None:
    cost = {"gen_ai.usage.cost.amount": 0.5, "gen_ai.usage.cost.currency": "USD"}
    source = "gen_ai.usage.cost.source"

    passed_on = read_call(OTEL, GENAI | cost | {source: "spantoll/catalogue@0123456789ab"})
    reported = read_call(OTEL, GENAI | cost | {source: "provider"})

    assert passed_on.reported_cost is None
    assert reported.reported_cost is not None


OWN_KEY = {"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}
AI_SDK = {"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "openrouter.chat"}


@pytest.mark.parametrize(
    ("usage", "billed"),
    [
        ({"cost": 0.2}, "0.2"),
        (OWN_KEY, "0.21"),
        (OWN_KEY | {"cost": 0}, "0.2"),
        (OWN_KEY | {"is_byok": False, "cost": 0.2}, "0.2"),
        (OWN_KEY | {"is_byok": None, "cost": 0.2}, "0.2"),
        (OWN_KEY | {"is_byok": None, "cost": 0}, "0.2"),
        (OWN_KEY | {"is_byok": None}, "0.21"),
        (OWN_KEY | {"is_byok": None, "cost": 0.1999}, "0.1999"),
        (OWN_KEY | {"cost_details": {"upstream_inference_cost": None}}, "0.01"),
    ],
)
@pytest.mark.parametrize("emitter", ["openinference", "logfire", "vercel_ai", "langfuse"])
def test_a_key_of_ones_own_is_billed_with_the_share_of_its_provider(
    usage: dict[str, Any], billed: str, emitter: str
) -> None:
    answers: dict[str, tuple[str, dict[str, Any]]] = {
        "openinference": (
            "openinference.instrumentation.openai",
            {"openinference.span.kind": "LLM", "output.value": json.dumps({"usage": usage})},
        ),
        "langfuse": (
            "langfuse-sdk",
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.usage_details": json.dumps({"prompt_tokens": 1} | usage),
                "langfuse.observation.cost_details": json.dumps({"total": usage["cost"]}),
            },
        ),
        "logfire": ("logfire.openai", GENAI | {"gen_ai.usage.raw": json.dumps(usage)}),
        "vercel_ai": (
            "ai",
            AI_SDK
            | {
                "ai.response.providerMetadata": json.dumps(
                    {"openrouter": {"usage": _camel_case(usage)}}
                )
            },
        ),
    }

    found = read_call(*answers[emitter])

    assert found.reported_cost is not None
    assert str(found.reported_cost.amount) == billed
    assert found.reported_cost.source == "provider"


def _camel_case(usage: dict[str, Any]) -> dict[str, Any]:
    """Write OpenRouter's usage as its provider for the AI SDK does."""
    share = usage.get("cost_details", {}).get("upstream_inference_cost")
    fields = {"cost": usage["cost"], "costDetails": {"upstreamInferenceCost": share}}
    return fields | ({"is_byok": usage["is_byok"]} if usage.get("is_byok") is not None else {})


def _langfuse(usage: dict[str, int]) -> dict[str, Any]:
    return {
        "langfuse.observation.type": "generation",
        "langfuse.observation.usage_details": json.dumps(usage),
    }


def _langsmith(details: dict[str, int]) -> dict[str, Any]:
    return GENAI | {
        "langsmith.span.kind": "llm",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.input_token_details": str(details),
    }


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_langchain_names_the_tier_by_the_tokens_it_counts_in_it(tier: str) -> None:
    details = {tier: 40, f"{tier}_cache_read": 60}

    by_langfuse = read_call(
        "langfuse-sdk", _langfuse({f"input_{name}": count for name, count in details.items()})
    )
    by_langsmith = read_call("langsmith", _langsmith(details))

    assert [found.service_tier for found in (by_langfuse, by_langsmith)] == [tier, tier]
    assert [found.usage.input_tokens for found in (by_langfuse, by_langsmith)] == [100, 100]
    assert [found.usage.cache_read_tokens for found in (by_langfuse, by_langsmith)] == [60, 60]


def test_tier_lifetime_and_bill_are_read_of_a_langchain_message() -> None:
    usage = {"cache_creation": {"ephemeral_1h_input_tokens": 5}, "cost": 0.5}
    metadata = {"service_tier": "flex", "usage": usage}
    answer = {"generations": [[{"message": {"kwargs": {"response_metadata": metadata}}}]]}
    attributes = {"openinference.span.kind": "LLM", "output.value": json.dumps(answer)}

    found = read_call("openinference.instrumentation.langchain", attributes)

    assert (found.service_tier, found.usage.cache_write_1h_tokens) == ("flex", 5)
    assert found.reported_cost is not None
    assert (str(found.reported_cost.amount), found.reported_cost.source) == ("0.5", "provider")
