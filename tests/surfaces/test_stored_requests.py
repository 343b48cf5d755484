from __future__ import annotations

import gzip
import io

import pytest

from spantoll.surfaces.cli.requests import read_requests

JSON, PROTOBUF = "application/json", "application/x-protobuf"


@pytest.mark.parametrize("pack", [lambda body: body, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", [], id="empty"),
        pytest.param(b"\n \n", [], id="blank"),
        pytest.param(b'{"a":1}', [(b'{"a":1}', JSON, 1)], id="json-in-one-line"),
        pytest.param(b' {\n"a":1}\n', [(b' {\n"a":1}\n', JSON, None)], id="json-in-many-lines"),
        pytest.param(
            b'{"a":1}\n\n{"b":2}\n',
            [(b'{"a":1}\n', JSON, 1), (b'{"b":2}\n', JSON, 3)],
            id="json-lines",
        ),
        pytest.param(
            b'{"a":1}\n{"b',
            [(b'{"a":1}\n', JSON, 1), (b'{"b', JSON, 2)],
            id="json-lines-cut-short",
        ),
        pytest.param(b"{broken\n", [(b"{broken\n", JSON, None)], id="broken-json"),
        pytest.param(b"\n\x05ab\ncd", [(b"\n\x05ab\ncd", PROTOBUF, None)], id="protobuf"),
        pytest.param(
            b"\n{" + b"\n" * 123, [(b"\n{" + b"\n" * 123, PROTOBUF, None)], id="brace-is-a-length"
        ),
        pytest.param(b"\x1a\x00", [(b"\x1a\x00", PROTOBUF, None)], id="other-bytes"),
    ],
)
def test_the_format_of_a_file_is_detected_by_its_content(
    pack: object, content: bytes, expected: list[tuple[bytes, str, int | None]]
) -> None:
    assert callable(pack)

    assert list(read_requests(io.BufferedReader(io.BytesIO(pack(content))))) == expected
