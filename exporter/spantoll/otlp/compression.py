from __future__ import annotations

import zlib

from spantoll.errors import BadRequest, TooLarge, UnsupportedMedia

__all__ = ["decompress"]

WINDOW = {"gzip": 31, "deflate": 15}
"""Content encodings by zlib's window bits; `deflate` is the zlib format (RFC 9110, 8.4.1.2)."""

STEP_BYTES = 1 << 20


def decompress(body: bytes, *, encoding: str | None, limit_bytes: int) -> bytes:
    """Undo one Content-Encoding, never holding more than `limit_bytes` of the result.

    Raises TooLarge, UnsupportedMedia (an unknown encoding, or several), BadRequest (broken data).
    """
    name = (encoding or "identity").strip().lower()
    if name in ("identity", "none") or not body:
        if len(body) > limit_bytes:
            raise TooLarge(limit_bytes)
        return body
    if name not in WINDOW:
        raise UnsupportedMedia(
            f"Content-Encoding {name!r} is not supported: use gzip, deflate or none"
        )
    try:
        return _inflate(body, WINDOW[name], limit_bytes)
    except zlib.error as error:
        raise BadRequest(f"body is not valid {name}: {error}") from error


def _inflate(body: bytes, window: int, limit_bytes: int) -> bytes:
    """Inflate all members of a stream (RFC 1952, 2.2: members follow each other)."""
    parts: list[bytes] = []
    size = 0
    rest = body
    while rest:
        inflater = zlib.decompressobj(window)
        while not inflater.eof:
            part = inflater.decompress(rest, min(STEP_BYTES, limit_bytes - size + 1))
            size += len(part)
            if size > limit_bytes:
                raise TooLarge(limit_bytes)
            parts.append(part)
            rest = inflater.unconsumed_tail
            if not part and not rest and not inflater.eof:
                raise BadRequest("compressed body ends in the middle")
        rest = inflater.unused_data
    return b"".join(parts)
