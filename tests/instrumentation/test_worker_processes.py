"""Servers that fork or spawn their workers: every call of every worker becomes a priced record."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

BIN = Path(sys.executable).parent
PATIENCE_S = 180.0
"""The longest that a test waits for a process: far above what anything here takes."""
CALL = """
import os
import openai

def call():
    with openai.OpenAI(max_retries=0) as client:
        message = {"role": "user", "content": f"#input=100 #output=20 #wait=50 {os.getpid()}"}
        client.chat.completions.create(model="gpt-4o-mini", messages=[message])
    return str(os.getpid())
"""
WSGI = """
from work import call

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [call().encode()]
"""
ASGI = """
from fastapi import FastAPI
from work import call

application = FastAPI()

@application.get("/")
def root():
    return call()
"""
TASKS = """
from celery import Celery
from work import call

app = Celery("tasks", broker="filesystem://", backend="cache+memory://")
app.conf.update(
    broker_transport_options={"data_folder_in": "broker", "data_folder_out": "broker",
                              "control_folder": "control"},
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
)
work = app.task(call, name="work")

if __name__ == "__main__":
    for _ in range(6):
        work.delay()
"""
SPAWN = """
import multiprocessing
from work import call

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(call, [()] * 6)
        pool.close()
        pool.join()
"""


class Ledger(NamedTuple):
    database: Path
    endpoint: str

    def calls(self) -> list[tuple[int, int]]:
        """(input tokens, cost) of every record."""
        with closing(sqlite3.connect(self.database)) as connection:
            query = "SELECT input_tokens, cost_nano FROM usage_record"
            return connection.execute(query).fetchall()

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.calls()) < count and time.monotonic() < deadline:
            time.sleep(0.1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    database = tmp_path / "usage.db"
    command = [str(BIN / "spantoll"), "up", "--database", f"sqlite:///{database}"]
    command += ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = ""
        while "See" not in output:
            output += process.stdout.readline()
        address = re.search(r"OTLP/HTTP +(\S+)", output)
        assert address is not None
        yield Ledger(database, address[1])
        process.terminate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "app"
    for name in ("broker", "control"):
        (made / name).mkdir(parents=True)
    for name, text in {
        "work": CALL,
        "wsgi": WSGI,
        "asgi": ASGI,
        "tasks": TASKS,
        "spawn": SPAWN,
    }.items():
        (made / f"{name}.py").write_text(text)
    return made


@pytest.fixture
def environment(provider: Any, ledger: Ledger, folder: Path) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **provider.environment,
        "PYTHONPATH": str(folder),
        "OTEL_EXPORTER_OTLP_ENDPOINT": ledger.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_SERVICE_NAME": "workers",
    }


Start = Callable[..., Any]


@pytest.fixture
def start(environment: dict[str, str], folder: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a program under `spantoll run`, until the test ends."""
    log = (tmp_path / "log").open("w+")

    @contextmanager
    def started(*command: str) -> Iterator[Callable[[], str]]:
        with subprocess.Popen(
            [str(BIN / "spantoll"), "run", "--", *command],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process:
            try:
                yield (tmp_path / "log").read_text
            finally:
                process.terminate()
                process.wait(PATIENCE_S)

    yield started
    log.close()


def until(true: Callable[[], Any], output: Callable[[], str]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(output())


def address_in(output: Callable[[], str]) -> str:
    found = until(lambda: re.search(r"http://127\.0\.0\.1:[1-9]\d*", output()), output)
    return str(found[0])


def ask(url: str) -> bytes | None:
    """The process that answered; None where none listens yet."""
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return bytes(response.read())
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError:
        return None


def ask_until_two_answer(url: str, output: Callable[[], str]) -> int:
    """Ask until two workers have answered; how often that was.

    Many at once: one after the other, the worker that answered last is often the next one too.
    """
    answered = {until(lambda: ask(url), output)}
    with ThreadPoolExecutor(8) as pool:
        for turn in range(1, 51):
            answered.update(pool.map(ask, [url] * 8))
            if len(answered) == 2:
                return 1 + 8 * turn
    raise AssertionError(f"only {answered} answered: {output()}")


PRICED = (100, 100 * 150 + 20 * 600)
"""openai.com/api/pricing, gpt-4o-mini: 0.15 dollars per million in, 0.60 out."""


@pytest.mark.parametrize(
    "server",
    [
        ("gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "wsgi:application"),
        ("gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "--preload", "wsgi:application"),
        ("uvicorn", "--port", "0", "--workers", "2", "asgi:application"),
    ],
    ids=["gunicorn", "gunicorn that loads the application before it forks", "uvicorn"],
)
def test_every_call_of_every_worker_arrives(
    start: Start, ledger: Ledger, server: tuple[str, ...]
) -> None:
    program, *arguments = server
    with start(sys.executable, "-m", program, *arguments) as output:
        asked = ask_until_two_answer(address_in(output), output)
        ledger.wait_for(asked)

    # Asked once more after the end of the program, which has sent everything then.
    assert ledger.calls() == [PRICED] * asked


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_every_task_of_a_celery_worker_arrives(
    start: Start, ledger: Ledger, environment: dict[str, str], folder: Path, pool: str
) -> None:
    worker = ("celery", "-A", "tasks", "worker", "--pool", pool, "--concurrency", "2")
    with start(sys.executable, "-m", *worker, "--loglevel", "info") as output:
        until(lambda: "ready" in output(), output)
        subprocess.run([sys.executable, "tasks.py"], cwd=folder, env=environment, check=True)
        ledger.wait_for(6)

    assert ledger.calls() == [PRICED] * 6


def test_every_call_of_spawned_processes_arrives(start: Start, ledger: Ledger) -> None:
    with start(sys.executable, "spawn.py"):
        ledger.wait_for(6)

    assert ledger.calls() == [PRICED] * 6
