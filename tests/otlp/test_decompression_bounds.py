"""Bodies are decompressed in every encoding, up to the limit of the server."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from spantoll.errors import BadRequest, TooLarge, UnsupportedMedia
from spantoll.otlp import Decompressor, decompress

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
        pytest.param("gzip", gzip.compress(b"") + gzip.compress(BODY), id="empty-member"),
        pytest.param("deflate", zlib.compress(BODY), id="deflate"),
        pytest.param("", BODY, id="empty"),
    ],
)
def test_body_comes_back(encoding: str | None, body: bytes) -> None:
    assert decompress(body, encoding=encoding, limit_bytes=LIMIT) == BODY


@pytest.mark.parametrize("step", [1, 7, 1_000])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("none", BODY, id="none"),
        pytest.param("gzip", gzip.compress(BODY) + gzip.compress(BODY), id="gzip"),
        pytest.param("deflate", zlib.compress(BODY), id="deflate"),
    ],
)
def test_body_comes_back_fed_in_chunks(encoding: str, body: bytes, step: int) -> None:
    decompressor = Decompressor(encoding=encoding, limit_bytes=LIMIT)

    for at in range(0, len(body), step):
        decompressor.feed(body[at : at + step])

    whole = decompress(body, encoding=encoding, limit_bytes=LIMIT)
    assert decompressor.finish() == whole


@pytest.mark.parametrize("encoding", [None, "gzip", "deflate"])
def test_empty_body_is_empty_in_every_encoding(encoding: str | None) -> None:
    assert decompress(b"", encoding=encoding, limit_bytes=LIMIT) == b""


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "snappy"])
def test_unknown_or_double_encoding_is_unsupported(encoding: str) -> None:
    with pytest.raises(UnsupportedMedia, match="gzip, deflate or none"):
        decompress(gzip.compress(BODY), encoding=encoding, limit_bytes=LIMIT)


def test_garbage_behind_deflate_is_a_bad_request() -> None:
    with pytest.raises(BadRequest, match="goes on"):
        decompress(zlib.compress(BODY) * 2, encoding="deflate", limit_bytes=LIMIT)


def test_number_of_gzip_members_is_bounded() -> None:
    with pytest.raises(BadRequest, match="4096 gzip streams"):
        decompress(gzip.compress(b"") * 5_000, encoding="gzip", limit_bytes=LIMIT)


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


@pytest.mark.parametrize("encoding", [None, "gzip", "deflate"])
@pytest.mark.parametrize(("size", "fits"), [(-1, True), (0, True), (1, False)])
def test_limit_holds_to_the_byte(encoding: str | None, size: int, fits: bool) -> None:
    body = b"x" * (LIMIT + size)
    sent = {None: body, "gzip": gzip.compress(body), "deflate": zlib.compress(body)}[encoding]

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

    assert peak < LIMIT + (2 << 20)
