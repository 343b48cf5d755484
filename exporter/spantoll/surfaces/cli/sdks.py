from __future__ import annotations

from collections.abc import Iterator

from spantoll.instrumentation import registry
from spantoll.surfaces.cli.finding import Finding

__all__ = ["examine_sdks"]


def examine_sdks() -> Iterator[Finding]:
    """Look at the SDKs of this environment, and who else would instrument them."""
    installed = [each for each in registry.status() if each.version is not None]
    names = [f"{each.provider} {each.version}" for each in installed if each.reason is None]
    if names:
        yield Finding("ok", "sdk", f"`spantoll run` instruments {', '.join(names)}")
    elif not installed:
        yield Finding("ok", "sdk", "none is here; in an application's environment they are listed")
    for each in installed:
        if each.reason is not None:
            text = f"{each.provider} {each.version} is not instrumented: {each.reason}"
            yield Finding("warning", "sdk", text)
    for rival in registry.installed_rivals():
        yield Finding(
            "warning",
            "double",
            f"{rival} instruments one of them too: two spans of each call, of which one is billed",
            "uninstall one, or name it in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        )
