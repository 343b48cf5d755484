"""Which providers there are, which are switched on, and which functions they replace.

Input: provider folders, entry points and the modules that the application imports. Output: patched
SDK functions, and a `Status` per provider for people to read.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import inspect
import logging
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wrapt import register_post_import_hook

from spantoll.instrumentation import abandoned, providers
from spantoll.instrumentation.deferred import wrap_reader
from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.provider import DeferredReader, Hook, Provider, Replacement, Settings
from spantoll.instrumentation.wrap import Emitter, wrap

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
    from packaging.requirements import Requirement

__all__ = [
    "State",
    "Status",
    "discover",
    "install",
    "installed_rivals",
    "rivals",
    "status",
    "uninstall",
]

GROUP = "spantoll.providers"
"""Entry points of this group name further `Provider` objects."""

logger = logging.getLogger("spantoll.instrumentation")

AnyHook = Hook | Replacement | DeferredReader
State = Literal["active", "waiting", "skipped", "unsupported", "off"]


class Status(NamedTuple):
    """The status of a provider's instrumentation, for people to read."""

    provider: str
    state: State
    """active: patched. waiting: the SDK is installed but not imported yet. off: not switched on."""
    version: str | None
    """Of the installed SDK; None where it is not installed."""
    reason: str | None = None


class _Patch(NamedTuple):
    owner: Any
    name: str
    original: Any
    wrapper: Any
    inherited: bool


class _Installed:
    """One provider switched on."""

    __slots__ = ("emitter", "patches", "provider", "reason", "seen")

    def __init__(self, provider: Provider, emitter: Emitter) -> None:
        self.provider = provider
        self.emitter = emitter
        self.patches: list[_Patch] = []
        self.seen: set[str] = set()
        self.reason: tuple[State, str] | None = None


_installed: dict[str, _Installed] = {}
_awaited: set[str] = set()
_warned: set[str] = set()


def discover() -> dict[str, Provider]:
    """Find the built-in providers and those of other packages."""
    found: dict[str, Provider] = {}
    for module in pkgutil.iter_modules(providers.__path__):
        declared = importlib.import_module(f"{providers.__name__}.{module.name}").PROVIDER
        found[declared.name] = declared
    for entry_point in importlib.metadata.entry_points(group=GROUP):
        declared = _load(entry_point)
        if isinstance(declared, Provider):
            found[declared.name] = declared
    return found


@guarded(lambda *_: None)
def _load(entry_point: importlib.metadata.EntryPoint) -> Any:
    return entry_point.load()


def install(
    names: Iterable[str] | None,
    settings: Settings,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
) -> None:
    """Switch providers on: patch what is imported, and what will be as soon as it is.

    Raises:
        ValueError: a name is not that of a known provider.
    """
    known = discover()
    chosen = list(known) if names is None else list(names)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise ValueError(f"unknown providers {unknown}; known are {sorted(known)}")
    abandoned.watch()
    for name in chosen:
        if name in _installed:
            continue
        emitter = Emitter(
            known[name],
            settings,
            version=_version("spantoll") or "0",
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            logger_provider=logger_provider,
            first_call=_warn_of_rivals,
        )
        _installed[name] = _Installed(known[name], emitter)
    for name in chosen:
        for module in {hook.module for hook in known[name].hooks}:
            if module in sys.modules:
                _imported(sys.modules[module])
            elif module not in _awaited:
                _awaited.add(module)
                # wrapt cannot remove a hook, so it stays and looks up what is switched on.
                register_post_import_hook(_imported, module)


def uninstall() -> None:
    """Restore every replaced function; references that others keep make no spans any more."""
    for installed in _installed.values():
        installed.emitter.on = False
        for patch in reversed(installed.patches):
            if patch.owner.__dict__.get(patch.name) is not patch.wrapper:
                # Another package wrapped our wrapper; restoring would remove theirs too.
                continue
            if patch.inherited:
                delattr(patch.owner, patch.name)
            else:
                setattr(patch.owner, patch.name, patch.original)
    _installed.clear()
    abandoned.stop()


def status() -> list[Status]:
    """Return the status of each known provider."""
    return [_status_of(provider) for provider in discover().values()]


def rivals() -> list[str]:
    """Return other active instrumentations of these SDKs: each makes a second span per call."""
    loaded = sys.modules.get("opentelemetry.instrumentation.instrumentor")
    if loaded is None:
        return []
    return sorted(
        f"{kind.__module__}:{kind.__qualname__}"
        for kind in _subclasses(loaded.BaseInstrumentor)
        if getattr(kind, "_instance", None) is not None
        and getattr(kind._instance, "is_instrumented_by_opentelemetry", False)
        and not kind.__module__.startswith("spantoll.")
        and _known_names(each.provider for each in _installed.values()).intersection(
            kind.__module__.split(".")
        )
    )


def installed_rivals() -> list[str]:
    """Return packages that `opentelemetry-instrument` would switch on for one of these SDKs."""
    found = importlib.metadata.entry_points(group="opentelemetry_instrumentor")
    return sorted(
        {
            entry.dist.name if entry.dist is not None else entry.value
            for entry in found
            if not entry.value.startswith("spantoll.")
            and _known_names(discover().values()).intersection(entry.module.split("."))
        }
    )


@guarded(lambda *_: None)
def _imported(module: Any) -> None:
    for installed in list(_installed.values()):
        if module.__name__ in installed.seen:
            continue
        hooks = [hook for hook in installed.provider.hooks if hook.module == module.__name__]
        if hooks:
            installed.seen.add(module.__name__)
            _patch_all(installed, module, hooks)


def _patch_all(installed: _Installed, module: Any, hooks: list[AnyHook]) -> None:
    provider = installed.provider
    refused = _refusal(provider)
    if refused is not None:
        installed.reason = refused
        if refused[0] == "unsupported":
            _warn(provider, refused[1])
        return
    for hook in hooks:
        patch = _patch(module, hook, installed.emitter)
        if patch is not None:
            installed.patches.append(patch)
        elif not hook.optional:
            reason = f"{hook.target} does not exist"
            installed.reason = ("unsupported", reason)
            _warn(provider, reason)


def _refusal(provider: Provider) -> tuple[State, str] | None:
    too_old = _unsupported(provider, _version(_requirement(provider).name))
    if too_old is not None:
        return "unsupported", too_old
    reason = provider.skip() if provider.skip is not None else None
    return ("skipped", reason) if reason else None


def _unsupported(provider: Provider, version: str | None) -> str | None:
    wanted = _requirement(provider)
    if version is None or wanted.specifier.contains(version, prereleases=True):
        return None
    return f"{provider.requires} is needed, {version} is installed"


def _patch(module: Any, hook: AnyHook, emitter: Emitter) -> _Patch | None:
    *path, name = hook.path.split(".")
    owner = module
    for part in path:
        owner = getattr(owner, part, None)
    original = getattr(owner, name, None)
    if original is None:
        return None
    kept = inspect.getattr_static(owner, name)
    wrapper: Any
    if isinstance(hook, Replacement):
        wrapper = hook.around(original, emitter)
    elif isinstance(hook, DeferredReader):
        wrapper = wrap_reader(original, hook, emitter)
    else:
        wrapper = wrap(original, hook, emitter)
    if isinstance(kept, staticmethod):
        wrapper = staticmethod(wrapper)
    inherited = name not in owner.__dict__
    setattr(owner, name, wrapper)
    return _Patch(owner, name, kept, wrapper, inherited)


def _warn(provider: Provider, reason: str) -> None:
    if provider.name not in _warned:
        _warned.add(provider.name)
        logger.warning("SpanToll does not see %s calls: %s", provider.name, reason)


@guarded(lambda *_: None)
def _warn_of_rivals() -> None:
    others = rivals()
    if others and "rivals" not in _warned:
        _warned.add("rivals")
        logger.warning("Each model call makes two spans: %s is active too", ", ".join(others))


def _status_of(provider: Provider) -> Status:
    version = _version(_requirement(provider).name)
    installed = _installed.get(provider.name)
    if installed is None:
        return Status(provider.name, "off", version, _unsupported(provider, version))
    if installed.reason is not None:
        return Status(provider.name, installed.reason[0], version, installed.reason[1])
    return Status(provider.name, "active" if installed.patches else "waiting", version)


def _requirement(provider: Provider) -> Requirement:
    # Only where an SDK is there to be checked: most processes import one or two.
    from packaging.requirements import Requirement

    return Requirement(provider.requires)


def _version(distribution: str) -> str | None:
    try:
        return _installed_version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def _installed_version(distribution: str) -> str:
    # A file is read and parsed for it, and each hook of each provider asks.
    return importlib.metadata.version(distribution)


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _known_names(chosen: Iterable[Provider]) -> set[str]:
    return {name for provider in chosen for name in (provider.name, *provider.aliases)}
