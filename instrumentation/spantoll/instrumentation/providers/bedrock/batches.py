"""Results of Bedrock's batch jobs: files in S3, which the application reads with the same SDK.

Input: what GetObject returns for `.../JOB/NAME.jsonl.out`, read whole and not in ranges, and what
the calls of a job report of its model (docs.aws.amazon.com/bedrock/latest/userguide/
batch-inference-results.html). Output: a result per line that has an output or an error.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from spantoll.instrumentation.decoding import decode_object
from spantoll.instrumentation.observer import Observer
from spantoll.instrumentation.provider import (
    Call,
    DeferredReader,
    DeferredResult,
    DeferredSource,
    Server,
    Settings,
)
from spantoll.instrumentation.providers.bedrock import bodies, readings
from spantoll.instrumentation.reading import pick
from spantoll.semconv import attributes as keys

__all__ = ["batch_readers"]

RESULTS = re.compile(r"(?:.*/)?([^/]+)/[^/]+\.jsonl\.out")
JOB_OPERATIONS = frozenset({"CreateModelInvocationJob", "GetModelInvocationJob"})
BEDROCK = Server("aws.bedrock")
MOST_JOBS = 10_000
_models: OrderedDict[str, str] = OrderedDict()
"""Job -> model, which the lines of most models leave out."""


def batch_readers(target: str, *, is_async: bool) -> tuple[DeferredReader, ...]:
    """Return the readers of `_make_api_call` of one SDK."""

    def collect(result: Any, observer: Observer, take: Callable[[bytes], None]) -> None:
        bodies.collect(result["Body"], observer, take, is_async=is_async)

    return (
        DeferredReader(target, _job, has_results=_is_job, results=_keep_model),
        DeferredReader(
            target,
            _results_file,
            has_results=_has_body,
            results_of_body=_results_of_file,
            collect=collect,
        ),
    )


def _is_job(result: Any) -> bool:
    return "jobArn" in result


def _has_body(result: Any) -> bool:
    return "Body" in result


def _job(_: Any, arguments: dict[str, Any], settings: Settings) -> DeferredSource | None:
    if arguments["operation_name"] not in JOB_OPERATIONS:
        return None
    return DeferredSource(BEDROCK, "", client=arguments["api_params"].get("modelId"))


def _keep_model(job: Any, source: DeferredSource) -> Iterator[DeferredResult]:
    model = job.get("modelId") or source.client
    if isinstance(model, str):
        _models[readings.job_id(job["jobArn"])] = model
        while len(_models) > MOST_JOBS:
            _models.popitem(last=False)
    return iter(())


def _results_file(
    client: Any, arguments: dict[str, Any], settings: Settings
) -> DeferredSource | None:
    parameters = arguments["api_params"]
    if arguments["operation_name"] != "GetObject" or "Range" in parameters:
        return None
    found = RESULTS.fullmatch(str(parameters.get("Key")))
    if found is None:
        return None
    values = {
        keys.SPANTOLL_REGION: client.meta.region_name,
        keys.REQUEST_MODEL: _models.get(found[1]),
    }
    known = {key: value for key, value in values.items() if value}
    return DeferredSource(BEDROCK, found[1], attributes=known)


def _results_of_file(body: bytes) -> Iterator[DeferredResult]:
    for line in body.splitlines():
        found = decode_object(line) or {}
        record, output, error = (found.get(name) for name in ("recordId", "modelOutput", "error"))
        if isinstance(record, str) and (output or error):
            yield DeferredResult(
                _call_of_output(output or {}),
                record,
                body=output,
                custom_id=record,
                error=str(pick(error, "errorCode") or "_OTHER") if error else None,
            )


def _call_of_output(output: dict[str, Any]) -> Call:
    if "metrics" in output:
        # Only Converse reports a latency beside its usage.
        return readings.CONVERSE
    if "embedding" in output or "embeddings" in output:
        return readings.EMBED
    return readings.IMAGE if "images" in output else readings.INVOKE
