from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.instrumentation.scenes import select_keys

FOLDER = "nightly/prediction-model-1"
RESULT = {
    "gen_ai.operation.name": "generate_content",
    "gen_ai.provider.name": "gcp.vertex_ai",
    "gen_ai.response.model": "gemini-2.5-flash",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 60,
    "gen_ai.usage.output_tokens": 20,
    "spantoll.request.batch": True,
    "spantoll.metadata.batch_id": f"gs://out/{FOLDER}",
}


@pytest.fixture
def bucket(provider: Any) -> Iterator[Any]:
    options = {"api_endpoint": provider.url}
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth has no types
    client = storage.Client("p", nobody, client_options=options)
    yield client.bucket("out")
    client.close()


def test_each_result_of_a_batch_is_billed_when_its_file_is_read(
    bucket: Any, spans: Any, billed: Any
) -> None:
    blob = bucket.blob(f"{FOLDER}/predictions.jsonl")
    text = blob.download_as_text()
    content = blob.download_as_bytes()

    first, second = spans.all()[:3], spans.all()[3:]
    assert text.encode() == content
    assert select_keys(dict(first[0].attributes), RESULT) == RESULT
    assert first[2].attributes["error.type"] == "Bad Request"
    assert [span.context.span_id for span in first] == [span.context.span_id for span in second]
    assert len([row for row in billed() if row["cost_nano"]]) == 2


def test_a_file_that_is_downloaded_to_disk_has_the_same_results(
    bucket: Any, spans: Any, tmp_path: Path
) -> None:
    blob = bucket.blob(f"{FOLDER}/predictions.jsonl")
    blob.download_to_filename(str(tmp_path / "results.jsonl"))
    content = blob.download_as_bytes()

    first, second = spans.all()[:3], spans.all()[3:]
    assert (tmp_path / "results.jsonl").read_bytes() == content
    assert select_keys(dict(first[0].attributes), RESULT) == RESULT
    assert [span.context.span_id for span in first] == [span.context.span_id for span in second]


def test_a_part_of_a_file_and_any_other_file_are_no_results(
    bucket: Any, spans: Any, tmp_path: Path
) -> None:
    bucket.blob(f"{FOLDER}/predictions.jsonl").download_as_bytes(start=10)
    bucket.blob(f"{FOLDER}/other-predictions.jsonl").download_as_bytes()
    bucket.blob(f"{FOLDER}/other-predictions.jsonl").download_to_filename(tmp_path / "other")

    assert spans.all() == ()


OLD = """
import tempfile

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": url})
bucket = client.bucket("out")
blob = bucket.blob("nightly/prediction-model-1/predictions.jsonl")
blob.download_as_text()
with tempfile.NamedTemporaryFile() as file:
    blob.download_to_filename(file.name)
"""


def test_storage_2_19_reports_results_as_todays_does(older: Any) -> None:
    found = older(OLD, "google-cloud-storage==2.19.0", "google-genai==2.0.0")

    assert [select_keys(span, RESULT) for span in found[::3]] == [RESULT] * 2
    assert len(found) == 6
