from __future__ import annotations

from enum import Enum
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from spantoll.instrumentation.apis import openai_chat, openai_media
from spantoll.instrumentation.compiler import compile_table
from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.providers.openai import readings
from spantoll.instrumentation.reading import Sum, Table, Via, pick, plain

TABLE: Table = {
    "whole": "usage.input",
    "deep": "usage.details.cached",
    "either": ("usage.first", "usage.second", "third"),
    "sum": Sum("usage.input", "usage.output"),
    "reasons": "choices[].reason",
    "length": Via("text", len),
    "computed": lambda source: pick(source, "usage.input"),
}
VALUES: dict[str, Any] = {
    "usage": {"input": 3, "output": 4, "second": "b", "details": {"cached": 2}},
    "third": "c",
    "choices": [{"reason": "stop"}, {"reason": "length"}],
    "text": "four",
}
FOUND = {
    "whole": 3,
    "deep": 2,
    "either": "b",
    "sum": 7,
    "reasons": ("stop", "length"),
    "length": 4,
    "computed": 3,
}


class Model(BaseModel):
    model_config = ConfigDict(extra="allow")


def as_objects(value: Any) -> Any:
    if isinstance(value, dict):
        return SimpleNamespace(**{name: as_objects(item) for name, item in value.items()})
    return [as_objects(item) for item in value] if isinstance(value, list) else value


def as_models(value: Any) -> Any:
    if isinstance(value, dict):
        return Model(**{name: as_models(item) for name, item in value.items()})
    return [as_models(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "source",
    [VALUES, MappingProxyType(VALUES), as_objects(VALUES), as_models(VALUES)],
    ids=["dict", "mapping", "objects", "pydantic models"],
)
def test_a_table_reads_any_kind_of_source(source: Any) -> None:
    assert compile_table(TABLE)(source) == FOUND


def test_what_is_not_there_is_left_out() -> None:
    assert compile_table(TABLE)({}) == {}
    assert compile_table(TABLE)(None) == {}
    assert compile_table(TABLE)({"usage": None, "choices": []}) == {}


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({"first": 1, "second": 2}, 1),
        ({"second": 2, "first": 1}, 1),
        ({"second": 2}, 2),
        ({"first": None, "second": 2}, 2),
        ({"first": 0, "second": 2}, 0),
    ],
)
def test_the_preferred_place_wins_whatever_the_order(
    present: dict[str, Any], expected: int
) -> None:
    read = compile_table({"key": ("first", "second")})

    assert read(present) == {"key": expected}


def test_a_sum_of_one_part_is_that_part() -> None:
    assert compile_table({"key": Sum("a", "b", "c")})({"b": 5}) == {"key": 5}


class Colour(Enum):
    RED = "red"


class Count(int):
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        (1.5, 1.5),
        (True, True),
        ("a", "a"),
        ("", None),
        (None, None),
        (Colour.RED, "red"),
        (Count(3), 3),
        (["a", "b"], ("a", "b")),
        (["a", 1], None),
        ([], None),
        ([None], None),
        ({"a": 1}, None),
        (b"bytes", None),
        pytest.param(object(), None, id="object"),
    ],
    ids=repr,
)
def test_only_what_an_attribute_can_hold_is_kept(value: Any, expected: Any) -> None:
    assert plain(value) == expected


NAMES = [
    "usage",
    "id",
    "model",
    "choices",
    "finish_reason",
    "prompt_tokens",
    "index",
    "total_tokens",
    "completion_tokens",
    "prompt_tokens_details",
    "cached_tokens",
    "cost",
    "cost_details",
    "is_byok",
    "data",
    "output",
    "svg_usage",
    "tool_usage",
    "image_gen",
    "input_tokens",
    "tools",
    "type",
    "status",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=20,
)
CALLS = [openai_chat.CHAT, readings.RESPONSE, openai_media.EMBEDDING, readings.IMAGE]
HOLDS = (str, bool, int, float)


@given(JSON, st.sampled_from(CALLS))
def test_any_answer_is_read_to_what_can_be_written(answer: Any, call: Call) -> None:
    found = call.read_response(answer)
    if call.refine is not None:
        call.refine(found)
    if call.beside is not None:
        list(call.beside(found))

    for key, value in found.items():
        assert not key.startswith("_")
        assert isinstance(value, HOLDS) or {type(item) for item in value} < set(HOLDS)


def test_one_odd_value_does_not_cost_the_others() -> None:
    def odd(_: Any) -> Any:
        raise TypeError

    read = compile_table({"odd": Via("a", odd), "odder": odd, "sum": Sum("b", "a"), "good": "b"})

    assert read({"a": "x", "b": 3}) == {"sum": 3, "good": 3}


BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "temperature": 0.5,
    "seed": None,
    "stop": "end",
    "n": 2,
    "max_tokens": 100,
    "max_completion_tokens": 200,
    "reasoning": {"effort": "low"},
    "response_format": {"type": "json_schema"},
    "user": "ann",
    "user_security_context": {"end_user_id": "bob"},
    "metadata": {"team": "search"},
    "unknown": 1,
}


@given(st.lists(st.sampled_from(list(BODY)), unique=True))
def test_a_small_dict_is_read_like_any_mapping_in_any_order(names: list[str]) -> None:
    body = {name: BODY[name] for name in names}

    assert openai_chat.CHAT.read_request(body) == openai_chat.CHAT.read_request(
        MappingProxyType(body)
    )
