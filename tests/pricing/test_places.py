"""Where inference is kept: what of a call's regions, hosts and endpoints changes its price."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spantoll.pricing import Priced, RateCard
from spantoll.pricing.places import Whereabouts, place_of_call
from spantoll.pricing.price_line import read_call
from spantoll.semconv.call import ModelCall

NOWHERE = Whereabouts("", "", "", "")
PLACES = [
    ("openai", NOWHERE._replace(host="eu.api.openai.com"), "regional"),
    ("openai", NOWHERE._replace(host="https://us.api.openai.com/v1"), "regional"),
    ("openai", NOWHERE._replace(host="api.openai.com"), ""),
    ("openai", NOWHERE._replace(residency="EU"), "regional"),
    ("openai", NOWHERE._replace(region="eu"), "regional"),
    ("openai", NOWHERE._replace(region="us-east-1"), ""),
    ("anthropic", NOWHERE._replace(residency="us"), "us"),
    ("anthropic", NOWHERE._replace(residency="global"), ""),
    ("anthropic", NOWHERE._replace(region="us"), "us"),
    ("anthropic", NOWHERE._replace(region="not_available"), ""),
    ("x_ai", NOWHERE._replace(host="us.api.x.ai"), "us"),
    ("x_ai", NOWHERE._replace(host="eu-west-1.api.x.ai"), ""),
    ("x_ai", NOWHERE._replace(residency="us"), "us"),
    ("mistral_ai", NOWHERE._replace(host="api.eu.mistral.ai"), "regional"),
    ("mistral_ai", NOWHERE._replace(host="api.mistral.ai"), ""),
    ("mistral_ai", NOWHERE._replace(residency="eu"), "regional"),
    ("gcp.vertex_ai", NOWHERE._replace(region="global"), ""),
    ("gcp.vertex_ai", NOWHERE._replace(region="europe-west1"), "regional"),
    ("gcp.vertex_ai", NOWHERE._replace(region="europe-west1", scope="global"), ""),
    ("gcp.vertex_ai", NOWHERE._replace(scope="multi_region"), "regional"),
    ("gcp.vertex_ai", NOWHERE._replace(host="us-central1-aiplatform.googleapis.com"), "regional"),
    ("gcp.vertex_ai", NOWHERE._replace(host="aiplatform.eu.rep.googleapis.com"), "regional"),
    ("gcp.vertex_ai", NOWHERE._replace(host="aiplatform.googleapis.com"), ""),
    ("aws.bedrock", NOWHERE._replace(region="eu-west-2"), "eu-west-2"),
    ("aws.bedrock", NOWHERE._replace(region="eu-west-2", scope="global"), ""),
    ("cohere", NOWHERE._replace(region="eu"), ""),
    (None, NOWHERE._replace(region="eu"), ""),
]


@pytest.mark.parametrize(("provider", "whereabouts", "place"), PLACES)
def test_a_place_is_read_only_where_it_changes_a_price(
    provider: str | None, whereabouts: Whereabouts, place: str
) -> None:
    assert place_of_call(provider, whereabouts) == place


def test_a_speed_that_was_only_asked_for_is_a_doubt(
    card: RateCard, make_call: Callable[..., ModelCall]
) -> None:
    call = make_call(
        "anthropic", "claude-opus-5", speed_requested="fast", input_tokens=1_000, output_tokens=0
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.status) == (10_000_000, "estimated")
    assert answer.reason == "speed fast was asked for and is not confirmed"


def test_a_global_profile_already_named_is_not_named_twice(
    card: RateCard, make_call: Callable[..., ModelCall]
) -> None:
    model = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
    call = make_call(
        "aws.bedrock", model, endpoint_scope="global", input_tokens=1_000, output_tokens=0
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.status) == (3_000_000, "priced")


@pytest.mark.parametrize(
    ("host", "provider", "model", "nano"),
    [
        ("eu-west-1.api.x.ai", "x_ai", "grok-4.3", 1_250_000),
        ("us.api.x.ai", "x_ai", "grok-4.6", 2_200_000),
        ("jp.api.openai.com", "openai", "gpt-5.4", 2_750_000),
        ("api.eu.mistral.ai", "mistral_ai", "mistral-large-2512", 550_000),
        (
            "bedrock-runtime.eu-west-1.amazonaws.com",
            "aws.bedrock",
            "amazon.nova-pro-v1:0",
            800_000,
        ),
        ("bedrock-runtime.us-east-1.api.aws", "aws.bedrock", "amazon.nova-pro-v1:0", 800_000),
        ("bedrock-mantle.us-east-1.api.aws", "aws.bedrock", "amazon.nova-pro-v1:0", 800_000),
        (
            "vpce-0a-1b.bedrock-runtime.us-east-1.vpce.amazonaws.com",
            "aws.bedrock",
            "amazon.nova-pro-v1:0",
            800_000,
        ),
    ],
)
def test_a_regional_host_names_its_provider_and_its_price(
    host: str, provider: str, model: str, nano: int, card: RateCard
) -> None:
    record = {
        "request_model": model,
        "usage": {"input_tokens": 1_000, "output_tokens": 0},
        "context": {"server_address": host, "timestamp": "2026-11-12T12:00:00Z"},
    }

    call = read_call(record, now_ns=0)
    answer = card.price(call)

    assert isinstance(answer, Priced), answer
    assert (call.provider, answer.cost_nano) == (provider, nano)
