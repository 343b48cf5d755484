"""`spantoll run`: starts a program under `opentelemetry-instrument`, exporting OTLP over HTTP."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

__all__ = ["main"]

DEFAULTS = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
}
"""What `spantoll run` sets where the environment says nothing. HTTP, so that a program that forks
(gunicorn, Celery) carries no gRPC threads over."""

ON = ("1", "true", "yes", "on")
LAUNCHER = "opentelemetry-instrument"


def main(argv: Sequence[str]) -> int:
    """Replace this process by an instrumented program; return an exit code only if that fails."""
    command = list(argv)[1:] if argv[:1] == ["--"] else list(argv)
    if not command:
        return _refuse("which program? For example: spantoll run -- python app.py", 2)
    beside = os.path.join(os.path.dirname(sys.executable), LAUNCHER)
    launcher = beside if os.path.exists(beside) else shutil.which(LAUNCHER)
    if launcher is None or shutil.which(command[0]) is None:
        missing = LAUNCHER if launcher is None else command[0]
        return _refuse(f"{missing}: not found", 127)
    # Running the user's program is the purpose.
    os.execve(launcher, [launcher, *command], _environment())  # noqa: S606
    raise AssertionError("execve does not return")


def _environment() -> dict[str, str]:
    usage_logs = os.environ.get("SPANTOLL_USAGE_LOGS", "").strip().lower() in ON
    logs = {"OTEL_LOGS_EXPORTER": "otlp"} if usage_logs else {}
    return {**DEFAULTS, **logs, **os.environ}


def _refuse(why: str, code: int) -> int:
    sys.stderr.write(f"spantoll run: {why}\n")
    return code
