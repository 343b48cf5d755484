"""`spantoll db promote`, and what `spantoll doctor` says before it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from spantoll.records import UsageRecord
from tests.surfaces.conftest import Cli

Record = Callable[..., UsageRecord]
Stored = Callable[[Sequence[UsageRecord]], None]


@pytest.fixture
def filled(stored: Stored, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPANTOLL_PROMOTED_ATTRIBUTES", "app.feature, repo")
    stored([record(metadata=json.dumps({"app.feature": name})) for name in ("chat", "chat", "s")])


@pytest.mark.usefixtures("filled")
def test_what_the_setting_names_is_promoted_on_request(spantoll: Cli) -> None:
    before = spantoll("doctor").out
    ran = spantoll("db", "promote", "--fill")
    again = spantoll("db", "promote", "repo")
    usage = spantoll("usage", "--where", "attr.app.feature=chat", "--format", "json")

    assert "read every record: app.feature, repo" in before
    assert ran.out == "attr.app.feature is promoted\nattr.repo is promoted\n"
    assert again.out == "attr.repo was promoted before\n"
    assert "read every record" not in spantoll("doctor").out
    assert json.loads(usage.out)["totals"]["requests"] == 2


REFUSED = {
    "none": ([], "name one"),
    "a name that needs quoting": (["it's"], "cannot be promoted"),
}


@pytest.mark.parametrize(("names", "message"), REFUSED.values(), ids=REFUSED)
def test_a_name_that_cannot_be_promoted_is_refused(
    stored: Stored, record: Record, spantoll: Cli, names: list[str], message: str
) -> None:
    stored([record()])

    ran = spantoll("db", "promote", *names)

    assert ran.status == 2
    assert message in ran.err


@pytest.mark.parametrize(
    ("name", "message"),
    [("app.prompt", "never kept"), ("app.*", "cannot be promoted")],
    ids=["content", "a prefix"],
)
def test_what_is_never_kept_is_never_promoted(
    spantoll: Cli, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setenv("SPANTOLL_PROMOTED_ATTRIBUTES", name)

    ran = spantoll("config", "show")

    assert ran.status != 0
    assert message in ran.err
