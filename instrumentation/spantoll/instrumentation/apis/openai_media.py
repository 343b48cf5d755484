"""OpenAI's embeddings and audio: where their values are, for every SDK that speaks them."""

from __future__ import annotations

from spantoll.instrumentation.apis.openai_chat import CALLER, COST, combine_totals
from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.reading import Via
from spantoll.instrumentation.values import as_list, whole_milliseconds
from spantoll.semconv import attributes as keys

__all__ = ["EMBEDDING", "SPEECH", "TRANSCRIPTION"]

EMBEDDING = Call(
    "embeddings",
    request={
        keys.REQUEST_MODEL: "model",
        keys.EMBEDDINGS_DIMENSION_COUNT: "dimensions",
        keys.REQUEST_ENCODING_FORMATS: Via("encoding_format", as_list),
    },
    caller=CALLER,
    response={
        keys.RESPONSE_MODEL: "model",
        keys.USAGE_INPUT_TOKENS: "usage.prompt_tokens",
        **COST,
    },
    refine=combine_totals,
)

TRANSCRIPTION = Call(
    "transcription",
    request={
        keys.REQUEST_MODEL: "model",
        keys.REQUEST_TEMPERATURE: "temperature",
    },
    response={
        keys.USAGE_INPUT_TOKENS: "usage.input_tokens",
        keys.USAGE_TEXT_INPUT: "usage.input_token_details.text_tokens",
        keys.USAGE_AUDIO_INPUT: "usage.input_token_details.audio_tokens",
        keys.USAGE_OUTPUT_TOKENS: "usage.output_tokens",
        # Billed seconds where the API reports them, else the length of the audio.
        keys.SPANTOLL_AUDIO_MS: (
            Via("usage.seconds", whole_milliseconds),
            Via("duration", whole_milliseconds),
        ),
    },
    has_values=lambda event: event.type.endswith(".done"),
    constant={keys.OUTPUT_TYPE: "text"},
)

SPEECH = Call(
    "speech",
    # The answer is audio only: the characters that are billed are in the request.
    request={keys.REQUEST_MODEL: "model", keys.SPANTOLL_CHARACTERS: Via("input", len)},
    response={
        keys.USAGE_INPUT_TOKENS: "usage.input_tokens",
        keys.USAGE_OUTPUT_TOKENS: "usage.output_tokens",
    },
    constant={keys.OUTPUT_TYPE: "speech"},
)
