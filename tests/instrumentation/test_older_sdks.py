from __future__ import annotations

from typing import Any

CHAT = """
import openai

client = openai.OpenAI(api_key="none", base_url=url + "/v1", max_retries=0)
question = [{"role": "user", "content": "Hello #input=100 #cached=60 #output=20"}]
client.chat.completions.create(model="gpt-4o-mini", messages=question)
for _ in client.chat.completions.create(model="gpt-4o-mini", messages=question, stream=True):
    pass
"""


def test_openai_1_30_is_read_as_todays_is(older: Any) -> None:
    spans = older(CHAT, "openai==1.30.5", "httpx<0.28")

    found = [
        (
            span["gen_ai.usage.input_tokens"],
            span["gen_ai.usage.cache_read.input_tokens"],
            span["gen_ai.usage.output_tokens"],
        )
        for span in spans
    ]
    assert found == [(100, 60, 20)] * 2
