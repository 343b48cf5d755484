from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_a_key_is_made_listed_and_revoked(spantoll: Cli) -> None:
    secret = spantoll("keys", "make", "grafana", "--customer", "acme").out.strip()
    spantoll("keys", "make", "collector", "--scope", "ingest")

    spantoll("keys", "revoke", "1")
    listed = json.loads(spantoll("keys", "list", "--format", "json").out)

    assert secret.startswith("stk_")
    assert [(each["name"], each["scopes"], each["customer_id"]) for each in listed] == [
        ("grafana", "read", "acme"),
        ("collector", "ingest", None),
    ]
    assert [each["revoked_at"] is not None for each in listed] == [True, False]


def test_a_secret_is_not_in_the_ledger(spantoll: Cli, tmp_path: Path) -> None:
    secret = spantoll("keys", "make", "grafana").out.strip()

    with sqlite3.connect(tmp_path / "usage.db") as connection:
        dump = "\n".join(connection.iterdump())

    connection.close()
    assert "grafana" in dump
    assert secret not in dump
    assert secret.removeprefix("stk_") not in dump


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("make", "x", "--scope", "everything"), "ingest, read, write, admin"),
        (("make", "x", "--scope", "write", "--customer", "acme"), "scope read only"),
        (("make", ""), "1 to 128"),
        (("revoke", "7"), "no key 7"),
    ],
)
def test_what_is_no_key_is_one_line(
    spantoll: Cli, arguments: tuple[str, ...], message: str
) -> None:
    spantoll("keys", "make", "first")

    ran = spantoll("keys", *arguments)

    assert ran.status == 2
    assert message in ran.err
    assert ran.err.count("\n") == 1
