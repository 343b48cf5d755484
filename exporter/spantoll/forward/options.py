from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from spantoll.errors import ConfigurationError
from spantoll.forward.target import Target

__all__ = ["read_headers", "read_targets"]

FLAG = "--forward-header"
HEADER = re.compile(r"(?:(?P<url>\S+)\s+)?(?P<name>[A-Za-z0-9_-]+)=(?P<value>[\x20-\x7e]+)")


def read_targets(text: str) -> Sequence[Target]:
    """Read comma-separated targets, each once. Raises ConfigurationError."""
    return tuple(dict.fromkeys(Target.parse(url) for url in _split_items(text)))


def read_headers(text: str, targets: Sequence[Target]) -> Mapping[Target, Mapping[str, str]]:
    """Read comma-separated `[URL ]NAME=VALUE`; the URL may be left out where there is one target.

    No target is sent a header meant for another. Raises ConfigurationError, quoting no value.
    """
    headers: dict[Target, dict[str, str]] = {target: {} for target in targets}
    for item in _split_items(text):
        found = HEADER.fullmatch(item)
        if found is None:
            raise ConfigurationError(f"{FLAG}: expected NAME=VALUE or 'URL NAME=VALUE'")
        if found["url"] is None and len(targets) != 1:
            raise ConfigurationError(
                f"{FLAG} {found['name']}=...: name the target, as 'URL NAME=VALUE'"
            )
        target = Target.parse(found["url"]) if found["url"] else targets[0]
        if target not in headers:
            raise ConfigurationError(
                f"{FLAG} {found['name']}=...: {target} is not a --forward target"
            )
        headers[target][found["name"].lower()] = found["value"].strip()
    return headers


def _split_items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
