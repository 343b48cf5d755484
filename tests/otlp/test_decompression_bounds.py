from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from spantoll.errors import BadRequest, TooLarge, UnsupportedMedia
from spantoll.otlp import decompress

BODY = b"spans and spans and spans " * 100
LIMIT = 1 << 20


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param(None, BODY, id="none"),
        pytest.param("identity", BODY, id="identity"),
        pytest.param("gzip", gzip.compress(BODY), id="gzip"),
        pytest.param("GZIP ", gzip.compress(BODY), id="case-and-space"),
        pytest.param("gzip", gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]), id="two-members"),
        pytest.param("deflate", zlib.compress(BODY), id="deflate"),
    ],
)
def test_body_comes_back(encoding: str | None, body: bytes) -> None:
    assert decompress(body, encoding=encoding, limit_bytes=LIMIT) == BODY


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "snappy"])
def test_unknown_or_double_encoding_is_unsupported(encoding: str) -> None:
    with pytest.raises(UnsupportedMedia, match="gzip, deflate or none"):
        decompress(gzip.compress(BODY), encoding=encoding, limit_bytes=LIMIT)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(gzip.compress(BODY)[:-9], id="cut-off"),
        pytest.param(gzip.compress(BODY)[:-8] + b"\0" * 8, id="wrong-checksum"),
        pytest.param(BODY, id="not-gzip-at-all"),
        pytest.param(gzip.compress(BODY) + b"garbage", id="garbage-behind-it"),
    ],
)
def test_broken_gzip_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decompress(body, encoding="gzip", limit_bytes=LIMIT)


@pytest.mark.parametrize("encoding", [None, "gzip"])
@pytest.mark.parametrize(("size", "fits"), [(-1, True), (0, True), (1, False)])
def test_limit_holds_to_the_byte(encoding: str | None, size: int, fits: bool) -> None:
    body = b"x" * (LIMIT + size)
    sent = gzip.compress(body) if encoding else body

    if fits:
        assert decompress(sent, encoding=encoding, limit_bytes=LIMIT) == body
    else:
        with pytest.raises(TooLarge):
            decompress(sent, encoding=encoding, limit_bytes=LIMIT)


def test_members_count_towards_one_limit() -> None:
    half = gzip.compress(b"x" * (LIMIT // 2 + 1))

    with pytest.raises(TooLarge):
        decompress(half + half, encoding="gzip", limit_bytes=LIMIT)


def test_bomb_is_not_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(b"\0" * (200 << 20), 9)

    tracemalloc.start()
    with pytest.raises(TooLarge):
        decompress(bomb, encoding="gzip", limit_bytes=LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 * LIMIT
