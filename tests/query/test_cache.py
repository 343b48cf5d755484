from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import pytest

from spantoll.errors import ConfigurationError
from spantoll.query.cache import AnswerCache, MemoryBackend, open_cache
from tests.support import redis


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Maker:
    """Makes another answer each time."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> dict[str, Any]:
        self.made += 1
        return {"cost_usd": "1.50", "made": self.made}


@pytest.fixture(scope="module")
def redis_url(missing: Callable[[str, str], NoReturn]) -> Iterator[str]:
    program = redis.find_program()
    if program is None:
        missing("Redis", redis.INSTALL)
    with redis.start_server(program) as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
def cache(request: pytest.FixtureRequest) -> Iterator[AnswerCache]:
    named = "memory" if request.param == "memory" else request.getfixturevalue("redis_url")
    opened = open_cache(named, ttl_s=300)
    yield opened
    opened.close()


def test_an_answer_is_made_once(cache: AnswerCache) -> None:
    make = Maker()

    answers = [cache.fetch({"question": "once", "tz": "UTC"}, make).content for _ in range(3)]

    assert answers == [{"cost_usd": "1.50", "made": 1}] * 3
    assert cache.counts == (2, 1, 0)
    assert cache.counts.hit_rate == 2 / 3


def test_another_question_has_another_answer(cache: AnswerCache) -> None:
    make = Maker()

    cache.fetch({"question": "other", "filters": ["tenant_id=a"]}, make)
    other = cache.fetch({"question": "other", "filters": ["tenant_id=b"]}, make)

    assert other.content["made"] == 2


def test_what_fails_is_not_kept(cache: AnswerCache) -> None:
    def fail() -> NoReturn:
        raise LookupError

    with pytest.raises(LookupError):
        cache.fetch({"question": "fails"}, fail)

    assert cache.fetch({"question": "fails"}, Maker()).content["made"] == 1


def test_an_answer_says_its_age_and_is_made_again_when_it_is_too_old() -> None:
    clock, make = Clock(), Maker()
    cache = AnswerCache(MemoryBackend(clock=clock), ttl_s=300, clock=clock)

    ages = []
    for passed_s in (0, 299, 1):
        clock.now += passed_s
        found = cache.fetch({}, make)
        ages.append((found.content["made"], found.age_s))

    assert ages == [(1, 0), (1, 299), (2, 0)]


@pytest.mark.parametrize(("took_s", "made"), [(0.5, 1), (0.4, 2)])
def test_only_an_answer_that_took_long_is_kept(took_s: float, made: int) -> None:
    clock, maker = Clock(), Maker()
    cache = AnswerCache(MemoryBackend(clock=clock), ttl_s=300, clock=clock)

    def make() -> Mapping[str, Any]:
        clock.now += took_s
        return maker()

    answers = [cache.fetch({}, make, slower_than_s=0.5).content["made"] for _ in range(2)]

    assert answers == [1, made]


def test_a_fresh_answer_replaces_the_one_that_is_kept(cache: AnswerCache) -> None:
    make = Maker()

    answers = [cache.fetch({}, make, fresh=fresh).content["made"] for fresh in (False, True, False)]

    assert answers == [1, 2, 2]


def test_redis_lets_an_answer_expire(redis_url: str) -> None:
    cache, make = open_cache(redis_url, ttl_s=0.001), Maker()

    made: set[int] = set()
    while len(made) < 2:
        made.add(cache.fetch({"question": "short"}, make).content["made"])

    cache.close()


def test_two_processes_share_answers_in_redis(redis_url: str) -> None:
    one, other = (open_cache(redis_url, ttl_s=300) for _ in range(2))

    one.fetch({"question": "shared"}, Maker())
    found = other.fetch({"question": "shared"}, Maker())

    assert other.counts.hits == 1
    assert found.content["made"] == 1
    one.close()
    other.close()


def test_a_redis_that_is_away_costs_no_answer(tmp_path: object) -> None:
    cache, make = open_cache(f"unix://{tmp_path}/nobody.sock", ttl_s=300), Maker()

    answers = [cache.fetch({}, make).content["made"] for _ in range(2)]

    assert answers == [1, 2]
    assert cache.counts == (0, 2, 2)
    cache.close()


def test_memory_is_bounded_and_keeps_what_is_used() -> None:
    backend = MemoryBackend(most_bytes=10)

    backend.put("a", b"12345", 300)
    backend.put("b", b"12345", 300)
    backend.get("a")
    backend.put("c", b"12345", 300)
    backend.put("d", b"12345678901", 300)

    assert [name for name in "abcd" if backend.get(name) is not None] == ["a", "c"]


@pytest.mark.parametrize("setting", ["off", "none", ""])
def test_without_a_cache_every_answer_is_made(setting: str) -> None:
    cache, make = open_cache(setting, ttl_s=300), Maker()

    assert [cache.fetch({}, make).content["made"] for _ in range(2)] == [1, 2]
    assert cache.counts.hit_rate is None


@pytest.mark.parametrize("setting", ["memcached://x", "redis://[::1"])
def test_a_setting_that_names_no_cache_is_refused(setting: str) -> None:
    with pytest.raises(ConfigurationError, match="setting cache"):
        open_cache(setting, ttl_s=300)
