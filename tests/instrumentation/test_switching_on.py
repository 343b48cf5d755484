from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import openai._base_client as base
import pytest
from opentelemetry import context
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # untyped
    BaseInstrumentor,
)
from opentelemetry.instrumentation.utils import suppress_instrumentation

from spantoll import instrumentation
from spantoll.instrumentation import registry
from spantoll.instrumentation.launch import main as launch
from spantoll.instrumentation.provider import Hook, Provider
from spantoll.instrumentation.zero_code import SpantollInstrumentor

APP = """
import openai
client = openai.OpenAI(api_key="none", max_retries=0)
client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}])
"""
BIN = Path(sys.executable).parent


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    yield
    instrumentation.uninstrument()


def run(command: list[str], provider: Any, **environment: str) -> str:
    """Run a program and return what it printed; nothing may be logged to stderr."""
    done = subprocess.run(
        [*command],
        env={
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "OPENAI_BASE_URL": f"{provider.url}/v1",
            "OPENAI_API_KEY": "none",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    # The distro's word on having been left out, which is how a test has none.
    lines = [line for line in done.stderr.splitlines() if "OTEL_PYTHON_CONFIGURATOR" not in line]
    assert lines == []
    return done.stdout


def test_uninstrument_puts_every_function_back() -> None:
    before = (base.SyncAPIClient.request, base.AsyncAPIClient.request)

    instrumentation.instrument()
    during = (base.SyncAPIClient.request, base.AsyncAPIClient.request)
    instrumentation.uninstrument()

    assert (base.SyncAPIClient.request, base.AsyncAPIClient.request) == before
    assert before[0] is not during[0]


def test_instrumenting_twice_wraps_once() -> None:
    before = base.SyncAPIClient.request

    instrumentation.instrument()
    instrumentation.instrument()

    assert base.SyncAPIClient.request.__wrapped__ is before  # type: ignore[attr-defined]  # ours


def test_a_wrapper_that_others_hold_is_silent_after_uninstrument(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    create = client.chat.completions.with_raw_response.create
    instrumentation.uninstrument()

    create(**question())

    assert spans.all() == ()


def test_another_packages_wrapper_around_ours_stays(
    client: openai.OpenAI, spans: Any, question: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = base.SyncAPIClient.request

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    monkeypatch.setattr(base.SyncAPIClient, "request", theirs)

    instrumentation.uninstrument()
    client.chat.completions.create(**question())

    assert base.SyncAPIClient.request is theirs
    assert spans.all() == ()


def test_a_raw_wrapper_made_before_is_seen(
    client: openai.OpenAI, question: Any, request: pytest.FixtureRequest
) -> None:
    create = client.chat.completions.with_raw_response.create
    spans = request.getfixturevalue("spans")

    create(**question())

    assert spans.attributes()["gen_ai.usage.input_tokens"] == 100


def test_only_the_chosen_providers_are_switched_on() -> None:
    instrumentation.instrument(providers=["openai"])

    assert [one.provider for one in registry.status() if one.state != "off"] == ["openai"]


def test_an_unknown_provider_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="opnai"):
        instrumentation.instrument(providers=["opnai"])


def declare(requires: str, target: str) -> Provider:
    def describe(*_: Any) -> None:
        return None

    return Provider("declared", requires=requires, hooks=(Hook(target, describe),))


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (declare("openai >= 99", "openai:OpenAI.post"), "openai >= 99 is needed"),
        (declare("openai", "openai:OpenAI.gone"), "openai:OpenAI.gone does not exist"),
        (declare("openai", "openai:Gone.post"), "openai:Gone.post does not exist"),
    ],
    ids=["too old", "no such method", "no such class"],
)
def test_an_unsupported_version_is_logged_once(
    declared: Provider,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(registry, "discover", lambda: {"declared": declared})
    monkeypatch.setattr(registry, "_warned", set())

    for _ in range(2):
        instrumentation.instrument()
        (found,) = registry.status()
        instrumentation.uninstrument()

    assert found.state == "unsupported"
    assert reason in (found.reason or "")
    assert caplog.text.count(reason) == 1


def test_a_missing_sdk_logs_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    declared = declare("no-such-sdk >= 1", "no_such_sdk.client:Client.call")
    monkeypatch.setattr(registry, "discover", lambda: {"declared": declared})

    instrumentation.instrument()

    assert registry.status() == [registry.Status("declared", "waiting", None)]
    assert caplog.text == ""


def test_providers_of_other_packages_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distribution(importlib.metadata.EntryPoint):
        def load(self) -> Provider:
            return declare("openai", "openai:OpenAI.post")

    theirs = Distribution("declared", "package:PROVIDER", registry.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [theirs])

    assert {"declared", "openai"} <= set(registry.discover())


def test_an_entry_point_that_breaks_does_not_break_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = importlib.metadata.EntryPoint("broken", "no_such_module:PROVIDER", registry.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: [broken])

    assert "openai" in registry.discover()


def test_opentelemetrys_suppression_is_respected(
    client: openai.OpenAI, spans: Any, question: Any
) -> None:
    with suppress_instrumentation():
        client.chat.completions.create(**question())
    with instrumentation.suppress():
        client.chat.completions.create(**question())

    assert spans.all() == ()


@pytest.mark.parametrize(
    "key",
    [
        "suppress_instrumentation",
        "suppress_language_model_instrumentation",
        "opentelemetry.genai.client.inference.context",
    ],
)
def test_the_suppression_of_others_is_respected(
    client: openai.OpenAI, spans: Any, question: Any, key: str
) -> None:
    token = context.attach(context.set_value(key, True))
    try:
        client.chat.completions.create(**question())
    finally:
        context.detach(token)

    assert spans.all() == ()


def test_another_instrumentation_on_the_same_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class OpenAIInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # untyped base
        def instrumentation_dependencies(self) -> list[str]:
            return []

        def _instrument(self, **_: Any) -> None: ...

        def _uninstrument(self, **_: Any) -> None: ...

    OpenAIInstrumentor.__module__ = "opentelemetry.instrumentation.openai"
    theirs = OpenAIInstrumentor()
    theirs.instrument()
    instrumentation.instrument()

    named = registry.rivals()
    theirs.uninstrument()

    assert [name for name in named if name.endswith("OpenAIInstrumentor")]
    assert not [name for name in registry.rivals() if name.endswith("OpenAIInstrumentor")]


def exported(output: str) -> dict[str, Any]:
    """Read the only span the console exporter printed."""
    return dict(json.loads(output)["attributes"])


SDK = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
trace.set_tracer_provider(provider)
"""
ON = "import spantoll.instrumentation\nspantoll.instrumentation.instrument()\n"


@pytest.mark.parametrize(
    "program",
    [
        ON + SDK + APP,
        "import openai\n" + ON + SDK + APP,
        "from openai import OpenAI\n" + SDK + ON + APP,
    ],
    ids=["before the SDK is imported", "after it", "after the tracer provider"],
)
def test_the_order_of_imports_does_not_matter(provider: Any, program: str) -> None:
    found = exported(run([sys.executable, "-W", "error", "-c", program], provider))

    assert found["gen_ai.request.model"] == "gpt-4o-mini"


def test_switching_on_imports_no_sdk_and_nothing_heavy(provider: Any) -> None:
    heavy = "('openai', 'grpc', 'pydantic', 'sqlalchemy', 'httpx')"
    program = f"{ON}import sys; print([name for name in {heavy} if name in sys.modules])"

    assert run([sys.executable, "-c", program], provider) == "[]\n"


FORK = """
import os
client = openai.OpenAI(api_key="none", max_retries=0)
if os.fork() == 0:
    ask = {"role": "user", "content": "Hi"}
    client.chat.completions.create(model="gpt-4o-mini", messages=[ask])
else:
    os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_worker_forked_after_switching_on_is_seen(provider: Any) -> None:
    program = f"import openai\n{ON}{SDK}{FORK}"

    found = exported(run([sys.executable, "-c", program], provider))

    assert found["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_PYTHON_DISTRO": "none", "OTEL_PYTHON_CONFIGURATOR": "none"},
        {"OTEL_PYTHON_DISTRO": "distro", "OTEL_PYTHON_CONFIGURATOR": "configurator"},
    ],
    ids=["without a distro", "with opentelemetry-distro"],
)
def test_opentelemetry_instrument_needs_no_line_of_code(
    provider: Any, tmp_path: Path, environment: dict[str, str]
) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP)

    output = run(
        [str(BIN / "opentelemetry-instrument"), sys.executable, str(app)],
        provider,
        OTEL_TRACES_EXPORTER="console",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        **environment,
    )

    assert exported(output)["gen_ai.usage.output_tokens"] == 20


def test_the_launcher_needs_no_line_of_code(provider: Any, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP)
    program = "import sys; from spantoll.instrumentation.launch import main; main(sys.argv[1:])"

    output = run(
        [sys.executable, "-c", program, "--", sys.executable, str(app)],
        provider,
        OTEL_TRACES_EXPORTER="console",
        OTEL_PYTHON_DISTRO="none",
        OTEL_PYTHON_CONFIGURATOR="none",
    )

    assert exported(output)["gen_ai.usage.output_tokens"] == 20


def test_the_launcher_names_a_program_it_cannot_find(capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(os.environ)

    assert launch(["--", "no-such-program"]) == 127
    assert launch([]) == 2
    assert "no-such-program: not found" in capsys.readouterr().err
    assert dict(os.environ) == before


def test_the_instrumentor_takes_a_tracer_provider(
    client: openai.OpenAI, question: Any, spans: Any
) -> None:
    instrumentation.uninstrument()
    instrumentor = SpantollInstrumentor()
    instrumentor.instrument(tracer_provider=spans.provider)

    client.chat.completions.create(**question())
    instrumentor.uninstrument()
    client.chat.completions.create(**question())

    assert spans.attributes()["gen_ai.usage.input_tokens"] == 100


@pytest.mark.parametrize(
    ("environment", "configured"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, [1]),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "otlp"}, [1]),
        ({"OTEL_TRACES_EXPORTER": "none"}, []),
        ({}, []),
    ],
    ids=["traces", "metrics only", "none", "nothing set"],
)
def test_the_sdk_is_set_up_only_where_the_environment_asks(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], configured: list[int]
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(
        "opentelemetry.sdk._configuration._OTelSDKConfigurator.configure",
        lambda *_, **__: calls.append(1),
    )
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    instrumentor = SpantollInstrumentor()

    instrumentor.instrument()
    instrumentor.uninstrument()

    assert calls == configured


def test_a_second_instrumentation_is_logged_once(
    client: openai.OpenAI,
    question: Any,
    spans: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(registry, "rivals", lambda: ["theirs:OpenAIInstrumentor"])
    monkeypatch.setattr(registry, "_warned", set())

    for _ in range(3):
        client.chat.completions.create(**question())

    assert caplog.text.count("theirs:OpenAIInstrumentor is active too") == 1
