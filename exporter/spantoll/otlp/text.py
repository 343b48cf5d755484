from __future__ import annotations

__all__ = ["INVALID_TEXT", "NUL", "from_bytes", "from_str"]

INVALID_TEXT = "invalid_utf8"
NUL = "nul_character"


def from_bytes(raw: bytes, flaws: list[str]) -> str:
    """Decode UTF-8; what is no text becomes U+FFFD and is noted in `flaws`."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode(errors="replace")
        flaws.append(INVALID_TEXT)
    return _without_nul(text, flaws) if "\0" in text else text


def from_str(text: str, flaws: list[str]) -> str:
    """Replace what a database cannot store in a str: NUL and lone surrogates."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            # In UTF-16 two halves next to each other are the character they stand for.
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            flaws.append(INVALID_TEXT)
    return _without_nul(text, flaws) if "\0" in text else text


def _without_nul(text: str, flaws: list[str]) -> str:
    # PostgreSQL refuses U+0000 in text.
    flaws.append(NUL)
    return text.replace("\0", "\ufffd")
