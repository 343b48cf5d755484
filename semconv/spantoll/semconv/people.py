from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spantoll.semconv import attributes as keys
from spantoll.semconv.call import Attribution
from spantoll.semconv.dialect import AttributeValue

__all__ = ["FIELDS", "Metadata", "keep", "metadata_name", "name", "of"]

FIELDS = Attribution._fields[:-1]
PLACES = {field: place for place, field in enumerate(FIELDS)}
KEPT = 256

Metadata = dict[str, str | int | float | bool]

_resources: dict[int, tuple[Mapping[str, AttributeValue], Attribution]] = {}


def of(
    resource: Mapping[str, AttributeValue], told: Mapping[str, str], metadata: Metadata
) -> Attribution:
    """Tell whom a call is for: what the span told, over what its resource says."""
    base = _of_resource(resource)
    if not told and not metadata:
        return base
    # By position: `_replace` takes twice as long, and this is done for every span.
    values: list[Any] = list(base)
    for field, value in told.items():
        values[PLACES[field]] = value
    if metadata:
        values[-1] = {**(base.metadata or {}), **metadata}
    return Attribution._make(values)


def _of_resource(resource: Mapping[str, AttributeValue]) -> Attribution:
    """Read a resource once: the spans of a request share it."""
    known = _resources.get(id(resource))
    if known is not None and known[0] is resource:
        return known[1]
    told: dict[str, Any] = {}
    for field, spellings in keys.ATTRIBUTION.items():
        values = (name(resource.get(spelling)) for spelling in spellings)
        told[field] = next((value for value in values if value is not None), None)
    attribution = Attribution(**told, metadata=_metadata(resource) or None)
    if len(_resources) >= KEPT:
        _resources.clear()
    _resources[id(resource)] = (resource, attribution)
    return attribution


def name(value: object) -> str | None:
    """Read who somebody is: text, or a number as text."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def metadata_name(key: str) -> str | None:
    """Name an attribute as metadata; None for what is not on the list and so is never kept."""
    if key in keys.METADATA_KEYS or key.startswith(keys.METADATA_PREFIXES):
        return key.removeprefix(keys.SPANTOLL_METADATA_PREFIX)
    return None


def keep(metadata: Metadata, label: str, value: object) -> None:
    """Add a scalar to metadata."""
    if isinstance(value, str):
        metadata[label] = value[: keys.LONGEST_METADATA]
    elif isinstance(value, bool | int | float):
        metadata[label] = value


def _metadata(attributes: Mapping[str, AttributeValue]) -> Metadata:
    kept: Metadata = {}
    for key, value in attributes.items():
        label = metadata_name(key)
        if label is not None:
            keep(kept, label, value)
    return kept
