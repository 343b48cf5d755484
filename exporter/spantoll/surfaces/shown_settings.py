"""Settings as people read them.

Input: `Settings`. Output: a row for each, with where its value comes from; secrets are hidden.
"""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from spantoll.settings import Settings, list_origins
from spantoll.storage import hide_password

__all__ = ["list_settings"]

HIDDEN = "(hidden)"


def list_settings(settings: Settings) -> list[dict[str, str]]:
    """List every setting by its name, with its value and its origin."""
    origins = list_origins(settings)
    return [
        {"name": name, "value": _show(name, getattr(settings, name)), "origin": origins[name]}
        for name in type(settings).model_fields
    ]


def _show(name: str, value: Any) -> str:
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if name == "database":
        return hide_password(value)
    return "off" if value is None else str(value)
