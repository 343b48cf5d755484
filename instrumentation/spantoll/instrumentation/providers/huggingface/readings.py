"""Where the tasks of Hugging Face's inference have their values."""

from __future__ import annotations

from dataclasses import replace

from spantoll.instrumentation.apis import openai_chat
from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.reading import Table, Via
from spantoll.instrumentation.values import as_list
from spantoll.semconv import attributes as keys

__all__ = ["CALLS", "CHAT", "JSON_TASKS", "TEXT"]

CHAT = replace(openai_chat.CHAT, has_values=None)


TEXT_VALUES: Table = {
    # Providers that speak OpenAI's completions have its names.
    **openai_chat.COMPLETION_USAGE,
    keys.USAGE_INPUT_TOKENS: ("usage.prompt_tokens", "details.input_length"),
    keys.USAGE_OUTPUT_TOKENS: ("usage.completion_tokens", "details.generated_tokens"),
    keys.RESPONSE_FINISH_REASONS: (
        Via("details.finish_reason", as_list),
        Via("choices", lambda choices: as_list(choices[0]["finish_reason"])),
    ),
}
TEXT = Call(
    "text_completion",
    request={
        keys.REQUEST_MODEL: "model",
        keys.REQUEST_MAX_TOKENS: ("parameters.max_new_tokens", "max_tokens"),
        keys.REQUEST_TEMPERATURE: ("parameters.temperature", "temperature"),
        keys.REQUEST_TOP_P: ("parameters.top_p", "top_p"),
        keys.REQUEST_TOP_K: ("parameters.top_k", "top_k"),
        keys.REQUEST_SEED: ("parameters.seed", "seed"),
        keys.REQUEST_STOP_SEQUENCES: ("parameters.stop", "stop"),
    },
    response=TEXT_VALUES,
    refine=openai_chat.COMPLETION.refine,
)
EMBEDDING = Call("embeddings", request={keys.REQUEST_MODEL: "model"})
IMAGE = Call(
    "image_generation",
    request={
        keys.REQUEST_MODEL: "model",
        keys.SPANTOLL_IMAGES: lambda _: 1,
        keys.SPANTOLL_IMAGE_SIZE: Via(
            "parameters", lambda config: f"{config['width']}x{config['height']}"
        ),
    },
    constant={keys.OUTPUT_TYPE: "image"},
)
TRANSCRIPTION = Call(
    "transcription",
    request={keys.REQUEST_MODEL: "model"},
    constant={keys.OUTPUT_TYPE: "text"},
)
SPEECH = Call(
    "speech",
    request={
        keys.REQUEST_MODEL: "model",
        keys.SPANTOLL_CHARACTERS: (Via("inputs", len), Via("text", len)),
    },
    constant={keys.OUTPUT_TYPE: "speech"},
)
CALLS: dict[str, Call] = {
    "conversational": CHAT,
    "text-generation": TEXT,
    "feature-extraction": EMBEDDING,
    "text-to-image": IMAGE,
    "automatic-speech-recognition": TRANSCRIPTION,
    "text-to-speech": SPEECH,
}
"""Task -> call; other tasks are not generative."""
JSON_TASKS = frozenset({"conversational", "text-generation"})
"""Tasks whose answer is a small JSON document with counters."""
