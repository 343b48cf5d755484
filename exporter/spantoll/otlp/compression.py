"""Undo the content encoding of a body.

In: the bytes of a body, and its Content-Encoding. Out: its bytes decompressed, not more than
`limit_bytes`; or UnsupportedMedia, TooLarge, BadRequest.
https://www.rfc-editor.org/rfc/rfc9110#section-8.4
"""

from __future__ import annotations

import zlib
from io import BytesIO

from spantoll.errors import BadRequest, TooLarge, UnsupportedMedia

__all__ = ["Decompressor", "decompress"]

WINDOW = {"gzip": 31, "deflate": 15}
"""Content encodings by zlib's window bits; `deflate` is the zlib format (RFC 9110, 8.4.1.2)."""
ALIASES = {"x-gzip": "gzip", "none": "identity", "": "identity"}
"""`x-gzip` is equivalent to `gzip` (RFC 9110, 8.4.1.3)."""

IN_BYTES = 1 << 16
OUT_BYTES = 1 << 20
"""What zlib is given and asked for at once: it copies what it leaves over, again and again."""

MOST_MEMBERS = 4_096
"""An empty gzip member is 20 bytes: without a bound a body could be three million of them."""


class Decompressor:
    """Undo one Content-Encoding as the body arrives, never holding more than `limit_bytes`.

    Raises UnsupportedMedia (an unknown encoding, or several), TooLarge as soon as that is certain,
    BadRequest (broken data). Of no use after it raised.
    """

    def __init__(self, *, encoding: str | None, limit_bytes: int) -> None:
        spelled = (encoding or "").strip().lower()
        self._encoding = ALIASES.get(spelled, spelled)
        self.compressed = self._encoding in WINDOW
        self._limit_bytes = limit_bytes
        self._body = BytesIO()
        self._members = 0
        self._inflater: zlib._Decompress | None = None
        if not self.compressed and self._encoding != "identity":
            raise UnsupportedMedia(
                f"Content-Encoding {self._encoding!r} is not supported: use gzip, deflate or none"
            )

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        if not self.compressed:
            self._take(chunk)
            return
        try:
            for at in range(0, len(chunk), IN_BYTES):
                self._inflate(chunk[at : at + IN_BYTES])
        except zlib.error as error:
            raise BadRequest(f"body is not valid {self._encoding}: {error}") from error

    def finish(self) -> bytes:
        """Answer the whole body. Raises BadRequest if it ends in the middle."""
        if self._inflater is not None and not self._inflater.eof:
            raise BadRequest("compressed body ends in the middle")
        return self._body.getvalue()

    def _inflate(self, rest: bytes) -> None:
        while rest:
            inflater = self._inflater
            if inflater is None or inflater.eof:
                inflater = self._inflater = self._next_member()
            filled = True
            while filled:
                room = min(OUT_BYTES, self._limit_bytes - self._body.tell() + 1)
                part = inflater.decompress(rest, room)
                self._take(part)
                rest = inflater.unconsumed_tail
                filled = len(part) == room
            rest = inflater.unused_data

    def _next_member(self) -> zlib._Decompress:
        # Only gzip streams may follow each other (RFC 1952, 2.2).
        if self._members == (MOST_MEMBERS if self._encoding == "gzip" else 1):
            raise BadRequest(f"body goes on after {self._members} {self._encoding} streams")
        self._members += 1
        return zlib.decompressobj(WINDOW[self._encoding])

    def _take(self, part: bytes) -> None:
        self._body.write(part)
        if self._body.tell() > self._limit_bytes:
            raise TooLarge(self._limit_bytes)


def decompress(body: bytes, *, encoding: str | None, limit_bytes: int) -> bytes:
    """Undo one Content-Encoding of a whole body, as `Decompressor` does."""
    decompressor = Decompressor(encoding=encoding, limit_bytes=limit_bytes)
    if not decompressor.compressed and len(body) <= limit_bytes:
        return body
    decompressor.feed(body)
    return decompressor.finish()
