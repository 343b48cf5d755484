from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from pkgutil import iter_modules
from typing import Any, NamedTuple

import wrapt
from packaging.requirements import Requirement

from spantoll.instrumentation import providers
from spantoll.instrumentation.provider import Call, Provider
from spantoll.instrumentation.wrap import wrapper_of

__all__ = ["Patched", "all_providers", "install", "patch", "unpatch"]

log = logging.getLogger("spantoll.instrumentation")

ENTRY_POINTS = "spantoll.providers"


class Patched(NamedTuple):
    """One method that is wrapped, and what it was."""

    owner: Any
    name: str
    original: Any
    provider: str


class _Wrapped(wrapt.FunctionWrapper[..., Any]):
    """A method wrapped by us, told from those others wrapped."""


@cache
def all_providers() -> tuple[Provider, ...]:
    """List the built-in providers, one per file, then those of installed entry points."""
    built_in = [
        import_module(f"{providers.__name__}.{module.name}").PROVIDER
        for module in iter_modules(providers.__path__)
    ]
    return (*built_in, *(entry.load() for entry in entry_points(group=ENTRY_POINTS)))


def install(chosen: Iterable[str] | None = None) -> list[Patched]:
    """Wrap the calls of all installed SDKs, or of the chosen ones. Raises ValueError."""
    known = {provider.name: provider for provider in all_providers()}
    names = list(known) if chosen is None else list(chosen)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"unknown provider {unknown[0]!r}; one of: {', '.join(sorted(known))}")
    return [
        patched
        for name in names
        if _is_supported(known[name])
        for call in known[name].calls
        if (patched := patch(known[name], call)) is not None
    ]


def patch(provider: Provider, call: Call) -> Patched | None:
    """Wrap one method; None if this version of the SDK does not have it."""
    module, _, path = call.target.partition(":")
    owner_path, _, name = path.rpartition(".")
    try:
        owner: Any = import_module(module)
        for step in owner_path.split("."):
            owner = getattr(owner, step)
        original = owner.__dict__[name]
    except (ImportError, AttributeError, KeyError):
        log.debug("%s is not there", call.target)
        return None
    if isinstance(original, _Wrapped):
        return None
    setattr(owner, name, _Wrapped(original, wrapper_of(provider, call, original)))
    return Patched(owner, name, original, provider.name)


def unpatch(patched: Iterable[Patched]) -> None:
    """Put back what `patch` found, unless somebody wrapped it since."""
    for each in patched:
        if isinstance(each.owner.__dict__.get(each.name), _Wrapped):
            setattr(each.owner, each.name, each.original)


def _is_supported(provider: Provider) -> bool:
    try:
        found = version(provider.distribution)
    except PackageNotFoundError:
        return False
    if Requirement(f"x{provider.versions}").specifier.contains(found, prereleases=True):
        return True
    log.warning(
        "%s %s is not instrumented: SpanToll knows %s",
        provider.distribution,
        found,
        provider.versions,
    )
    return False
