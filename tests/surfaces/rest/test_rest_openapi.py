"""The API is what its checked-in OpenAPI document says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks

from spantoll.storage import KeyRing, Store, make_key
from spantoll.surfaces.rest import Access, RestContext, make_application, make_openapi
from tests.surfaces.rest.conftest import API, Stored

DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"
INEXPRESSIBLE = ("positive_data_acceptance",)
"""Checks that do not apply: no schema holds exactly the times, zones and filters that are valid."""


def test_the_checked_in_document_is_the_one_served(context: RestContext) -> None:
    served = make_openapi(make_application(context))

    assert json.loads(DOCUMENT.read_text()) == served, "run `make openapi`"


OPERATIONS = [
    (path, method)
    for path, item in json.loads(DOCUMENT.read_text())["paths"].items()
    for method in item
]
SETTINGS: Any = {
    "database": None,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.fixture
def key(store: Store) -> str:
    return make_key(store, "generated", scopes=["admin"], now_ns=1)


@pytest.fixture
def api(context: RestContext, store: Store, key: str, stored: Stored, record: Any) -> Any:
    stored([record(), record(pricing_status="unpriced", pricing_reason="unknown_model")])
    keys = KeyRing()
    keys.load(store.engine)
    application = make_application(context, Access(keys, rate="1000000/minute"))
    load_all_checks()
    # The file is the document served, which `from_asgi` would ask for anew for every test.
    schema = schemathesis.openapi.from_dict(json.loads(DOCUMENT.read_text()))
    schema.app, schema.location = application, f"{API}/openapi.json"
    return schema


def is_left_out(value: object) -> bool:
    """Return whether an address has nothing of a parameter's value, though it violates a schema."""
    if isinstance(value, Mapping):
        return all(is_left_out(each) for each in value.values())
    if isinstance(value, list):
        return all(is_left_out(each) for each in value)
    return value is None


@pytest.mark.parametrize(
    "examples",
    [pytest.param(10, id="few"), pytest.param(60, id="many", marks=pytest.mark.soak)],
)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_what_is_generated_from_the_document_is_answered_as_it_says(
    api: Any,
    key: str,
    path: str,
    method: str,
    mode: GenerationMode,
    examples: int,
) -> None:
    excluded = [schemathesis.checks.CHECKS.get_one(name) for name in INEXPRESSIBLE]

    # The same cases every time.
    @settings(max_examples=examples, derandomize=True, **SETTINGS)
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    def call_and_validate(case: Any) -> None:
        assume(not any(is_left_out(value) for value in (case.query or {}).values()))
        case.call_and_validate(headers={"Authorization": f"Bearer {key}"}, excluded_checks=excluded)

    call_and_validate()
