"""What REST calls a parameter, the command line calls an option and Python an argument."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest
import typer.main
from pydantic import BaseModel

from spantoll.query import RecordQuery, measure_growth, parse_query
from spantoll.surfaces.cli.app import app
from spantoll.surfaces.rest.parameters import (
    ForecastParameters,
    GrowthParameters,
    RecordParameters,
    ScopeParameters,
    UsageParameters,
)

IN_PYTHON = {
    "from": "start",  # `from` is a keyword
    "to": "end",
}
"""Names that Python spells otherwise."""
OF_OUTPUT = {"format", "database", "doubts", "explain_plan", "output", "focus"}
"""Options of where an answer is read from and how it is written, not of what is asked."""
OF_PYTHON = {"now_ns"}

PARSED = set(signature(parse_query).parameters) - OF_PYTHON


def list_parameters(model: type[BaseModel]) -> set[str]:
    """Return the names of a REST route's parameters."""
    names = {field.alias or name for name, field in model.model_fields.items()}
    return names - OF_OUTPUT


def list_options(command: str) -> set[str]:
    """Return the names of the options of a command, the first one of each."""
    group: Any = typer.main.get_command(app)  # of the click that Typer brings
    found = group.get_command(group.context_class(group), command)
    names = (each.opts[0] for each in found.params)
    options = {name.removeprefix("--") for name in names if name.startswith("--")}
    return {name.replace("-", "_") for name in options} - OF_OUTPUT


def spell_in_python(names: set[str]) -> set[str]:
    return {IN_PYTHON.get(name, name) for name in names}


@pytest.mark.parametrize(
    ("command", "model"),
    [
        pytest.param("usage", UsageParameters, id="usage"),
        pytest.param("growth", GrowthParameters, id="growth"),
        pytest.param("forecast", ForecastParameters, id="forecast"),
        pytest.param("ask", ScopeParameters, id="questions"),
        pytest.param("health", ScopeParameters, id="health"),
        pytest.param("records", RecordParameters, id="records"),
        pytest.param("export", UsageParameters, id="exports"),
    ],
)
def test_an_option_is_called_as_the_parameter(command: str, model: type[BaseModel]) -> None:
    assert list_options(command) == list_parameters(model)


def test_an_argument_is_called_as_the_parameter() -> None:
    assert spell_in_python(list_parameters(UsageParameters)) == PARSED


def test_the_arguments_of_growth_are_called_as_its_parameters() -> None:
    own = set(signature(measure_growth).parameters) - {"engine", "query"}

    assert own == spell_in_python(list_parameters(GrowthParameters)) - PARSED


def test_the_arguments_of_a_listing_are_called_as_its_parameters() -> None:
    own = {"limit", "after", "uncounted"}

    assert own <= list_parameters(RecordParameters) & set(signature(RecordQuery).parameters)
