from __future__ import annotations

import re
from typing import Annotated, NamedTuple

import pytest
from sqlalchemy import LargeBinary, String, Text, UniqueConstraint, make_url
from sqlalchemy.schema import CreateIndex, CreateTable

from spantoll.records import UsageRecord, usage_record
from spantoll.records.column_spec import ColumnSpec, Merge, Unit, counter, money, read_specs, text
from spantoll.records.record import COLUMNS
from spantoll.semconv.call import Attribution, Usage

CONTENT = re.compile(r"prompt|completion(?!s)|content|argument|header|(?<!error_)message|body")


def test_the_table_has_the_columns_of_the_record_in_order() -> None:
    assert usage_record.c.keys() == ["id", *UsageRecord._fields, "facts", "adjusted"]


class Declared(NamedTuple):
    cost_nano: Annotated[int | None, money("What it costs.")]
    started_ns: Annotated[int, ColumnSpec(type=text(8), unit=Unit.TIME_NS)]
    images: Annotated[int | None, counter(Unit.IMAGES, "Images.")]
    model: Annotated[str, ColumnSpec(type=text(8), outside="name")]


def test_a_column_is_named_and_may_be_null_as_its_field_says() -> None:
    specs = read_specs(Declared)

    assert [(spec.outside, spec.nullable) for spec in specs.values()] == [
        ("cost_usd", True),
        ("started_at", False),
        ("images", True),
        ("name", False),
    ]


def test_every_counter_of_usage_is_merged_as_usage() -> None:
    merged = {name for name, spec in COLUMNS.items() if spec.merge is Merge.USAGE}

    assert merged == {*Usage._fields} - {"requests", "extra"} | {"extra_units"}


def test_attribution_is_merged_from_the_outermost_span() -> None:
    merged = {name for name, spec in COLUMNS.items() if spec.merge is Merge.ATTRIBUTION}

    assert merged == {*Attribution._fields} - {"tenant", "metadata"}


def test_no_column_could_hold_content() -> None:
    named = [name for name in usage_record.columns.keys() if CONTENT.search(name)]  # noqa: SIM118

    assert named == []


def test_identity_is_tenant_trace_and_span() -> None:
    unique = [c for c in usage_record.constraints if isinstance(c, UniqueConstraint)]

    assert [list(c.columns.keys()) for c in unique] == [["tenant_id", "trace_id", "span_id"]]


def test_few_indexes_slow_an_insert() -> None:
    indexes = {tuple(index.columns.keys()) for index in usage_record.indexes}

    assert indexes == {
        ("started_ns",),
        ("response_key",),
        ("usage_key", "response_key"),
        ("response_key", "usage_key", "scope_name"),
        ("trace_id", "parent_span_id"),
        ("trace_id", "started_ns"),
        ("user_id", "started_ns"),
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite://", "(response_key) WHERE response_key IS NOT NULL"),
        ("postgresql+psycopg://", "(response_key) WHERE response_key IS NOT NULL"),
        ("mariadb+pymysql://", "(response_key)"),
    ],
)
def test_the_index_of_response_ids_is_partial_where_it_can_be(url: str, expected: str) -> None:
    dialect = make_url(url).get_dialect()()
    [index] = [i for i in usage_record.indexes if i.name == "ix_usage_record_response"]

    assert str(CreateIndex(index).compile(dialect=dialect)).endswith(expected)


def test_mariadb_distinguishes_letters_and_indexes_ids() -> None:
    ddl = str(
        CreateTable(usage_record).compile(dialect=make_url("mariadb+pymysql://").get_dialect()())
    )

    lines = {line.split()[0]: line for line in ddl.splitlines() if line.startswith("\t")}
    assert lines["model"].startswith(
        "\tmodel VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
    )
    assert lines["trace_id"].startswith("\ttrace_id VARBINARY(16) NOT NULL")
    # A row of more than 65,535 bytes is refused when the table is made.
    assert sum(4 * int(n) for n in re.findall(r"VARCHAR\((\d+)\)", ddl)) < 65_535


def test_what_can_be_unknown_may_be_null() -> None:
    needed = {name for name in UsageRecord._fields if not usage_record.c[name].nullable}

    assert needed == {
        "tenant_id",
        "trace_id",
        "span_id",
        "source",
        "started_ns",
        "received_ns",
        "role",
        "counted",
        "batch",
        "status",
        "requests",
        "usage_quality",
        "dialect",
        "pricing_status",
    }


def test_every_text_and_id_has_a_bound() -> None:
    lengths = {
        column.name: column.type.length
        for column in usage_record.c
        if isinstance(column.type, String | LargeBinary) and not isinstance(column.type, Text)
    }

    assert len(lengths) > 40
    assert all(lengths.values())
