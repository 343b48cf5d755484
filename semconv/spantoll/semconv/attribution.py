"""The attribution of a call: attributes of the span over those of its resource -> `Attribution`.

The keys are `attributes.ATTRIBUTION`; what has no field of its own and is on the allow-list of
`kept.py` becomes metadata, at most MAX_METADATA_CHARS characters of text each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spantoll.semconv import attributes as keys
from spantoll.semconv.call import Attribution
from spantoll.semconv.dialect import AttributeValue
from spantoll.semconv.fields import Converters, convert_into
from spantoll.semconv.kept import metadata_name
from spantoll.semconv.values import identifier, unquoted

__all__ = ["Metadata", "add_metadata", "merge_attribution"]

MAX_RESOURCES = 256
"""Resources whose attribution is remembered: the spans of a request share one."""

Metadata = dict[str, str | int | float | bool]

_resources: dict[int, tuple[Mapping[str, AttributeValue], Attribution]] = {}


def merge_attribution(
    resource: Mapping[str, AttributeValue],
    found: Mapping[str, Any],
    converters: Converters,
    metadata: Metadata,
) -> Attribution:
    """Merge what a span carries, its fields and metadata, over what its resource carries."""
    base = _read_resource(resource)
    if not converters and not metadata:
        return base
    # By position: `_replace` takes twice as long, and this is done for every span.
    values: list[Any] = list(base)
    convert_into(values, converters, found)
    if metadata:
        values[-1] = {**(base.metadata or {}), **metadata}
    return Attribution._make(values)


def _read_resource(resource: Mapping[str, AttributeValue]) -> Attribution:
    known = _resources.get(id(resource))
    if known is not None and known[0] is resource:
        return known[1]
    found: dict[str, Any] = {}
    for field, spellings in keys.ATTRIBUTION.items():
        values = (identifier(resource.get(spelling)) for spelling in spellings)
        found[field] = next((value for value in values if value is not None), None)
    attribution = Attribution(**found, metadata=_read_metadata(resource) or None)
    if len(_resources) >= MAX_RESOURCES:
        _resources.clear()
    _resources[id(resource)] = (resource, attribution)
    return attribution


def add_metadata(metadata: Metadata, name: str, value: object) -> None:
    """Add a scalar to metadata; other values are left out."""
    if isinstance(value, str):
        if name.startswith(keys.JSON_METADATA_PREFIX):
            decoded = unquoted(value)
            value = decoded if isinstance(decoded, str) else value
        metadata[name] = value[: keys.MAX_METADATA_CHARS]
    elif isinstance(value, bool | int | float):
        metadata[name] = value


def _read_metadata(attributes: Mapping[str, AttributeValue]) -> Metadata:
    kept: Metadata = {}
    for key, value in attributes.items():
        name = metadata_name(key)
        if name is not None:
            add_metadata(kept, name, value)
    return kept
