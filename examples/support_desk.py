"""A small support desk that answers its customers' tickets with the OpenAI SDK.

It names its customers and users; everything else about cost is SpanToll's business:

    spantoll run -- python examples/support_desk.py
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

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
]


def messages(ticket: Ticket) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": HANDBOOK},
        {"role": "user", "content": ticket.text},
    ]


def answer(client: OpenAI, ticket: Ticket) -> None:
    with attributes(customer_id=ticket.customer, user_id=ticket.user, task_type="support"):
        try:
            reply = client.chat.completions.create(
                model=ticket.model,
                messages=messages(ticket),  # type: ignore[arg-type]  # plain dicts
                stream=ticket.stream,
            )
            if ticket.stream:
                for _ in reply:
                    pass
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
    with OpenAI(max_retries=0) as client:
        for ticket in TICKETS:
            answer(client, ticket)
    asyncio.run(greet(["acme", "globex", "initech"]))


if __name__ == "__main__":
    main()
