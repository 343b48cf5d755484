from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import Engine

from spantoll.errors import OwnerRuleError
from spantoll.query import Query, run
from spantoll.query.owner_rows import parse_owner_rows, read_owner_rows, write_owner_rows
from spantoll.storage import Store, open_store
from spantoll.storage.owner_rules import add_owner_rules, end_owner_rule, read_owner_rules
from tests.support.records import make_record

Rules = tuple[str, ...]
Counts = Mapping[str | None, int]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/usage.db")
    yield opened
    opened.close()


def add(store: Store, *rules: str) -> None:
    """Add rules written as `kind owner where [priority [from [to]]]`, times in nanoseconds."""
    names = ("kind", "owner", "where", "priority", "valid_from", "valid_to")
    rows = [dict(zip(names, rule.split(), strict=False)) for rule in rules]
    with store.transaction() as connection:
        add_owner_rules(connection, read_owner_rows(rows, parse_time=int), now_ns=1)


def count(engine: Engine, dimension: str = "owner_team") -> Counts:
    result = run(engine, Query(measures=("requests",), dimensions=(dimension,)))
    return {row.dimensions[dimension]: row.requests for row in result.rows}  # type: ignore[misc]  # text


RECORDS = (
    make_record(user_id="ann", project="web", started_ns=10),
    make_record(user_id="ann", project="web", started_ns=20),
    make_record(user_id="bob", project="website", started_ns=20, metadata='{"repo":"pay/api"}'),
    make_record(user_id="Ann", started_ns=20, metadata='{"repo":"web"}'),
    make_record(user_id=None, customer_id="acme", started_ns=20),
)

MATCHES: list[tuple[str, Rules, Counts]] = [
    ("no rule", (), {None: 5}),
    ("exact, in its case", ("team pay user_id=ann",), {"pay": 2, None: 3}),
    ("prefix", ("team web project^=web",), {"web": 3, None: 2}),
    (
        "longer prefix first",
        ("team a project^=web", "team b project^=webs"),
        {"a": 2, "b": 1, None: 2},
    ),
    (
        "exact before prefix",
        ("team a project^=web", "team b project=web"),
        {"a": 1, "b": 2, None: 2},
    ),
    (
        "priority before all",
        ("team a project^=web 5", "team b project=web", "team c user_id=ann"),
        {"a": 3, None: 2},
    ),
    ("added first", ("team a user_id=ann", "team b project=web"), {"a": 2, None: 3}),
    ("attribute", ("team pay attr.repo=web",), {"pay": 1, None: 4}),
    ("prefix of an attribute", ("team pay attr.repo^=pay/",), {"pay": 1, None: 4}),
    ("dated", ("team a user_id=ann 0 0 15", "team b user_id=ann 0 15"), {"a": 1, "b": 1, None: 3}),
    ("from inclusive, to exclusive", ("team a user_id=ann 0 10 20",), {"a": 1, None: 4}),
    ("another kind", ("cost_centre 4711 user_id=ann",), {None: 5}),
    ("alias of a field", ("team a customer=acme",), {"a": 1, None: 4}),
]


@pytest.mark.parametrize(
    ("rules", "expected"), [case[1:] for case in MATCHES], ids=[case[0] for case in MATCHES]
)
def test_the_rules_name_the_owner_of_a_call(store: Store, rules: Rules, expected: Counts) -> None:
    store.write(RECORDS)

    add(store, *rules)

    assert count(store.engine) == expected


def test_the_sums_of_owners_are_the_total(store: Store) -> None:
    store.write(RECORDS)
    add(store, "team a project^=web", "team b user_id=ann 3")

    result = run(
        store.engine,
        Query(measures=("cost_usd",), dimensions=("owner_team",), limit=1, others=True),
    )

    assert sum(row["cost_usd"] for row in result.rows) == result.totals["cost_usd"]  # type: ignore[misc]  # money


def test_an_ended_rule_no_longer_holds(store: Store) -> None:
    store.write(RECORDS)
    add(store, "team a user_id=ann")

    with store.transaction() as connection:
        end_owner_rule(connection, 1, end_ns=15, now_ns=2)

    assert count(store.engine) == {"a": 1, None: 4}


@pytest.mark.parametrize(
    ("number", "end_ns", "says"),
    [(7, 5, "there is no owner rule 7"), (1, 5, "begins after"), (2, 99, "an end already")],
    ids=["unknown", "before it begins", "twice"],
)
def test_an_end_that_cannot_be_is_refused(
    store: Store, number: int, end_ns: int, says: str
) -> None:
    add(store, "team a user_id=ann 0 10", "team b user_id=bob 0 10 20")

    with pytest.raises(OwnerRuleError, match=says), store.transaction() as connection:
        end_owner_rule(connection, number, end_ns=end_ns, now_ns=2)


def test_rules_that_contradict_each_other_are_refused_together(store: Store) -> None:
    add(store, "team a user_id=ann 0 10 20")

    with pytest.raises(OwnerRuleError, match="overlaps owner rule 1"):
        add(store, "team z user_id=zoe", "team b user_id=ann 0 15")

    with store.transaction() as connection:
        assert [rule.owner for rule in read_owner_rules(connection)] == ["a"]


WRONG = {
    "no kind": {"owner": "a", "where": "team=x"},
    "unknown kind": {"kind": "country", "owner": "a", "where": "team=x"},
    "unknown column": {"kind": "team", "owner": "a", "where": "team=x", "until": "9"},
    "no field": {"kind": "team", "owner": "a", "where": "status=error"},
    "negated": {"kind": "team", "owner": "a", "where": "team!=x"},
    "number": {"kind": "team", "owner": "a", "where": "cost_usd>1"},
    "empty value": {"kind": "team", "owner": "a", "where": "team="},
    "priority": {"kind": "team", "owner": "a", "where": "team=x", "priority": "high"},
    "huge priority": {"kind": "team", "owner": "a", "where": "team=x", "priority": "9999999"},
    "long owner": {"kind": "team", "owner": "a" * 129, "where": "team=x"},
    "backwards": {"kind": "team", "owner": "a", "where": "team=x", "valid_from": 5, "valid_to": 5},
}


@pytest.mark.parametrize("row", WRONG.values(), ids=WRONG)
def test_a_rule_that_cannot_be_meant_is_refused(row: Mapping[str, str]) -> None:
    with pytest.raises(OwnerRuleError, match="owner rule 1: "):
        read_owner_rows([row], parse_time=int)


FILES = {
    "csv": "kind,owner,where,priority\nteam,pay,attr.repo^=pay/,3\n",
    "json": '[{"kind":"team","owner":"pay","where":"attr.repo^=pay/","priority":3}]',
    "toml": '[[owners]]\nkind="team"\nowner="pay"\nwhere="attr.repo^=pay/"\npriority=3\n',
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_file_of_rules_is_read(text: str) -> None:
    (rule,) = read_owner_rows(parse_owner_rows(text), parse_time=int)

    assert (rule.field, rule.value, rule.prefix_length) == ("attr.repo", "pay/", 4)
    assert write_owner_rows([rule])[0]["where"] == "attr.repo^=pay/"


@pytest.mark.parametrize("text", ["[1]", "[{]", "[[owners]]\nkind=", 'a\n"'])
def test_what_is_no_file_of_rules_is_refused(text: str) -> None:
    with pytest.raises(OwnerRuleError):
        read_owner_rows(parse_owner_rows(text), parse_time=int)
