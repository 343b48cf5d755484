from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spantoll.semconv import attributes as keys
from spantoll.semconv.call import Attribution
from spantoll.semconv.dialect import AttributeValue, SpanView

__all__ = ["of"]

FIELDS = Attribution._fields[:-1]
KEPT = 256

Metadata = dict[str, str | int | float | bool]

_resources: dict[int, tuple[Mapping[str, AttributeValue], Attribution]] = {}


def of(span: SpanView, found: Mapping[str, Any]) -> Attribution:
    """Tell whom a call is for: what the span says, over what its resource says."""
    base = _of_resource(span.resource)
    told: dict[str, Any] = {
        name: value for name in _fields_in(found) if (value := _scalar(found[name])) is not None
    }
    metadata = _metadata(span.attributes)
    if metadata:
        told["metadata"] = {**(base.metadata or {}), **metadata}
    return base._replace(**told) if told else base


def _fields_in(found: Mapping[str, Any]) -> list[str]:
    return [name for name in FIELDS if name in found]


def _of_resource(resource: Mapping[str, AttributeValue]) -> Attribution:
    """Read a resource once: the spans of a request share it."""
    known = _resources.get(id(resource))
    if known is not None and known[0] is resource:
        return known[1]
    told: dict[str, Any] = {}
    for name, spellings in keys.ATTRIBUTION.items():
        values = (_scalar(resource.get(spelling)) for spelling in spellings)
        told[name] = next((value for value in values if value is not None), None)
    attribution = Attribution(**told, metadata=_metadata(resource) or None)
    if len(_resources) >= KEPT:
        _resources.clear()
    _resources[id(resource)] = (resource, attribution)
    return attribution


def _metadata(attributes: Mapping[str, AttributeValue]) -> Metadata:
    kept: Metadata = {}
    for key, value in attributes.items():
        if key in keys.METADATA_KEYS or key.startswith(keys.METADATA_PREFIXES):
            if isinstance(value, str):
                kept[_name(key)] = value[: keys.LONGEST_METADATA]
            elif isinstance(value, bool | int | float):
                kept[_name(key)] = value
    return kept


def _name(key: str) -> str:
    return key.removeprefix(keys.SPANTOLL_METADATA_PREFIX)


def _scalar(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None
