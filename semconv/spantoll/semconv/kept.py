"""Which attributes a record keeps beside its columns: the built-in allow-list and the chosen ones.

Input: the key of an attribute. Output: the name it is kept under, or None. What can hold a prompt,
an answer or a secret is never kept, whoever chooses it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from spantoll.semconv import attributes as keys

__all__ = ["choose_attributes", "chosen_attributes", "metadata_name", "parse_attributes"]

CONTENT = (
    *("prompt", "completion", "message", "content", "instruction", "argument", "input", "output"),
    *("question", "answer", "query", "document", "text", "body", "tool", "thought", "transcript"),
)
"""How words of keys begin whose values are content: `gen_ai.input.messages`, `db.query.text`,
`llm.prompts.0.content`, `input.value`."""
DESCRIBES = ("id", "name", "version", "type", "kind", "count")
"""... unless the last word only describes it: `app.prompt.version`."""
SECRETS = (
    "header",
    "cookie",
    "authorization",
    "password",
    "secret",
    "token",
    "apikey",
    "credential",
)
"""How words of keys begin whose values are secrets, whatever follows: `http.request.header.x`."""

API_KEY = re.compile(r"api[._-]?key", re.IGNORECASE)
WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")
KEY = re.compile(r"[^\s\"\\,*\x00-\x1f]{1,128}\*?")


class Chosen(NamedTuple):
    """What is kept beside the built-in allow-list."""

    keys: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()


_chosen = Chosen()


def parse_attributes(text: str) -> Chosen:
    """Read comma separated keys; one that ends with `*` is a prefix. Raises ValueError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if not KEY.fullmatch(name):
            raise ValueError(f"{name!r} is no key of an attribute, nor a prefix such as app.*")
        if not name.endswith("*") and _is_content(name):
            raise ValueError(f"{name!r} may hold content or a secret, which is never kept")
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    return Chosen(frozenset(name for name in names if not name.endswith("*")), prefixes)


def choose_attributes(text: str) -> None:
    """Keep these attributes, too, in this process. Call it before the first span is read.

    What spans of equal keys have in common is remembered. Raises ValueError.
    """
    global _chosen  # noqa: PLW0603  one allow-list a process, as the built-in one is
    _chosen = parse_attributes(text)


def chosen_attributes() -> str:
    """Return what was chosen in this process, as `choose_attributes` reads it."""
    return ",".join([*sorted(_chosen.keys), *(f"{prefix}*" for prefix in _chosen.prefixes)])


def metadata_name(key: str) -> str | None:
    """Name an attribute as metadata; None for what is not on the list and so is never kept."""
    if key in keys.METADATA_KEYS or key.startswith(keys.METADATA_PREFIXES):
        return key.removeprefix(keys.SPANTOLL_METADATA_PREFIX)
    chosen = _chosen
    if key in chosen.keys:
        return key
    return key if key.startswith(chosen.prefixes) and not _is_content(key) else None


def _is_content(key: str) -> bool:
    words = [word.lower() for word in WORD.findall(API_KEY.sub("apikey", key))]
    if any(word.startswith(SECRETS) for word in words):
        return True
    return any(word.startswith(CONTENT) for word in words) and words[-1] not in DESCRIBES
