"""A small support desk that answers its customers' tickets with four SDKs.

It names its customers and users; everything else about cost is SpanToll's business:

    spantoll run -- python examples/support_desk.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import boto3
from anthropic import Anthropic
from google import genai
from openai import APIStatusError, AsyncOpenAI, OpenAI

from spantoll.instrumentation import attributes


class Ticket(NamedTuple):
    customer: str
    user: str
    model: str
    text: str
    stream: bool = False


HANDBOOK = "You are the support desk. Cite the handbook. " + "Parcels, refunds, addresses. " * 40

TICKETS = [
    Ticket("acme", "ann", "gpt-4o", "Where is my parcel?"),
    Ticket("acme", "ann", "gpt-4o", "And the second one?", stream=True),
    Ticket("acme", "bob", "gpt-4o", "Same handbook as before, cached."),
    Ticket("acme", "bob", "gpt-5-mini", "Think it over, with reasoning."),
    Ticket("globex", "cara", "gpt-4o-mini", "Change my address, please.", stream=True),
    Ticket("globex", "cara", "gpt-4o-mini", "Same handbook as before, cached.", stream=True),
    Ticket("globex", "dan", "gpt-4.1", "How do refunds work?"),
    Ticket("globex", "dan", "gpt-4o", "Please fail 429 for me."),
    Ticket("initech", "eve", "acme-llm-1", "What does a model nobody has a price for cost?"),
    Ticket("initech", "eve", "claude-haiku-4-5", "Read the contract."),
    Ticket("initech", "eve", "claude-haiku-4-5", "Same handbook, cached.", stream=True),
    Ticket("initech", "fay", "gemini-2.5-flash", "Think it over, with reasoning."),
    Ticket("initech", "fay", "gemini-2.5-flash", "Same handbook, cached.", stream=True),
    Ticket("umbrella", "gus", "amazon.nova-pro-v1:0", "Summarise my case."),
    Ticket("umbrella", "gus", "amazon.nova-pro-v1:0", "Same handbook, cached.", stream=True),
]


def by_openai(ticket: Ticket) -> None:
    with OpenAI(max_retries=0) as client:
        reply = client.chat.completions.create(
            model=ticket.model,
            messages=[
                {"role": "system", "content": HANDBOOK},
                {"role": "user", "content": ticket.text},
            ],
            stream=ticket.stream,
        )
        if ticket.stream:
            for _ in reply:
                pass


def by_anthropic(ticket: Ticket) -> None:
    with Anthropic(max_retries=0) as client:
        reply = client.messages.create(
            model=ticket.model,
            max_tokens=500,
            system=HANDBOOK,
            messages=[{"role": "user", "content": ticket.text}],
            stream=ticket.stream,
        )
        if ticket.stream:
            for _ in reply:
                pass


def by_gemini(ticket: Ticket) -> None:
    with genai.Client() as client:
        method = client.models.generate_content
        if ticket.stream:
            method = client.models.generate_content_stream  # type: ignore[assignment]  # iterates
        said: list[Any] = [HANDBOOK, ticket.text]
        for _ in method(model=ticket.model, contents=said):
            pass


def by_bedrock(ticket: Ticket) -> None:
    client = boto3.client("bedrock-runtime")
    method = client.converse_stream if ticket.stream else client.converse
    answer = method(
        modelId=ticket.model,
        system=[{"text": HANDBOOK}],
        messages=[{"role": "user", "content": [{"text": ticket.text}]}],
    )
    for _ in answer.get("stream", ()):
        pass


WAYS: dict[str, Callable[[Ticket], None]] = {
    "claude": by_anthropic,
    "gemini": by_gemini,
    "amazon": by_bedrock,
}


def answer(ticket: Ticket) -> None:
    ask = next((way for name, way in WAYS.items() if ticket.model.startswith(name)), by_openai)
    with attributes(customer_id=ticket.customer, user_id=ticket.user, task_type="support"):
        try:
            ask(ticket)
        except APIStatusError as error:
            print(f"  {ticket.customer}/{ticket.user}: {error.status_code} {error.message}")


async def greet(customers: list[str]) -> None:
    """Greet every customer at once."""
    async with AsyncOpenAI() as client:

        async def greeting(customer: str) -> None:
            with attributes(customer_id=customer, task_type="greeting"):
                await client.chat.completions.create(
                    model="gpt-4o-mini", messages=[{"role": "user", "content": "Say hello."}]
                )

        await asyncio.gather(*map(greeting, customers))


def main() -> None:
    for ticket in TICKETS:
        answer(ticket)
    asyncio.run(greet(["acme", "globex", "initech"]))


if __name__ == "__main__":
    main()
