from __future__ import annotations

import pytest

from spantoll.surfaces.dashboard.palette import STYLES, choose_styles

MODELS = ["claude-sonnet-4-5", "gpt-4o", "gpt-5-mini", "command-a", "gemini-2.5-flash", "o3"]


def test_a_group_has_the_same_style_whatever_the_order_and_the_amounts() -> None:
    styles = dict(zip(MODELS, choose_styles(MODELS), strict=True))

    reversed_names = MODELS[::-1]

    assert dict(zip(reversed_names, choose_styles(reversed_names), strict=True)) == styles


@pytest.mark.parametrize("name", MODELS)
def test_a_group_has_the_same_style_alone_as_beside_one_other(name: str) -> None:
    assert choose_styles([name, "mistral-next-preview"])[0] == choose_styles([name])[0]


def test_groups_of_a_chart_differ_as_long_as_there_are_styles() -> None:
    names = [f"model-{number}" for number in range(len(STYLES))]

    assert len(set(choose_styles(names))) == len(STYLES)
    assert len(choose_styles([*names, "one-more"])) == len(STYLES) + 1
