"""Amazon Bedrock's runtime: Converse, InvokeModel and their streams. Signatures are not checked."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from loopback.anthropic import message, message_events
from loopback.eventstream import stream
from loopback.wire import Ask, Handler, Reply, json_reply, unique

__all__ = ["ROUTES"]

ERRORS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


def failure(ask: Ask) -> Reply | None:
    """The error the script asks for, in the shape of AWS's errors."""
    # amz-sdk-request: attempt=2; max=5
    attempt = ask.headers.get("amz-sdk-request", "attempt=1").partition("attempt=")[2]
    refused = int(attempt.partition(";")[0]) <= ask.script.number("refused")
    status = 503 if refused else ask.script.number("status", 200)
    if status < 400:
        return None
    text = f"The loopback provider was asked to answer {status}."
    return json_reply({"message": text}, status, x_amzn_ErrorType=ERRORS.get(status, "Unknown"))


def usage(ask: Ask) -> dict[str, Any]:
    """Converse's counters: input apart from what the cache read and wrote."""
    script = ask.script
    read, short, long = (script.number(name) for name in ("cached", "written", "written1h"))
    found: dict[str, Any] = {
        "inputTokens": max(0, script.input - read - short - long),
        "outputTokens": script.output,
        "totalTokens": script.input + script.output,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": short + long,
    }
    if short or long:
        found["cacheDetails"] = [
            {"ttl": "5m", "inputTokens": short},
            {"ttl": "1h", "inputTokens": long},
        ]
    return found


def converse(ask: Ask) -> Reply:
    """POST /model/{id}/converse."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    said = {"role": "assistant", "content": [{"text": "".join(ask.script.words)}]}
    answer = {
        "output": {"message": said},
        "stopReason": "end_turn",
        "usage": usage(ask),
        "metrics": {"latencyMs": 12},
        **_served(ask),
        **_guarded(ask),
    }
    return json_reply(answer, x_amzn_RequestId=unique("aws"))


def _served(ask: Ask) -> dict[str, Any]:
    return {
        name: ask.body[name] for name in ("serviceTier", "performanceConfig") if name in ask.body
    }


def _guarded(ask: Ask) -> dict[str, Any]:
    if (ask.body.get("guardrailConfig") or {}).get("trace") != "enabled":
        return {}
    assessed = {"invocationMetrics": {"usage": GUARDRAIL_USAGE}}
    guardrail = {"inputAssessment": {"g1": assessed}, "outputAssessments": {"g1": [assessed]}}
    return {"trace": {"guardrail": guardrail}}


def converse_stream(ask: Ask) -> Reply:
    """POST /model/{id}/converse-stream."""
    return failure(ask) or stream(_converse_events(ask))


def _converse_events(ask: Ask) -> Iterator[tuple[str, Any]]:
    yield "messageStart", {"role": "assistant"}
    for at, word in enumerate(ask.script.words):
        if at == ask.script.number("broken", -1):
            yield "throttlingException", {"message": "The loopback provider broke."}
            return
        yield "contentBlockDelta", {"delta": {"text": word}, "contentBlockIndex": 0}
    yield "contentBlockStop", {"contentBlockIndex": 0}
    yield "messageStop", {"stopReason": "end_turn"}
    yield (
        "metadata",
        {"usage": usage(ask), "metrics": {"latencyMs": 12}, **_served(ask), **_guarded(ask)},
    )


def invoke(ask: Ask) -> Reply:
    """POST /model/{id}/invoke: a body in the model's own words, counters in the headers too."""
    wrong = failure(ask)
    if wrong is not None:
        return wrong
    model, script = unquote(ask.groups[0]), ask.script
    fresh = usage(ask)["inputTokens"] if "anthropic" in model else script.input
    counted: dict[str, Any] = {
        "x_amzn_bedrock_input_token_count": str(fresh),
        "x_amzn_bedrock_output_token_count": str(script.output),
        "x_amzn_bedrock_invocation_latency": "12",
    }
    latency = ask.headers.get("x-amzn-bedrock-performanceconfig-latency")
    if latency is not None:
        counted["x_amzn_bedrock_performanceconfig_latency"] = latency
    answer = _body(ask, model) | _traced(ask)
    return json_reply(answer, x_amzn_RequestId=unique("aws"), **counted)


def _traced(ask: Ask) -> dict[str, Any]:
    """InvokeModel's trace of its guardrail, in its own shape."""
    if ask.headers.get("x-amzn-bedrock-trace") != "ENABLED":
        return {}
    assessed = {"g1": {"invocationMetrics": {"usage": GUARDRAIL_USAGE}}}
    guardrail = {"input": assessed, "outputs": [assessed]}
    return {"amazon-bedrock-trace": {"guardrail": guardrail}}


def _body(ask: Ask, model: str) -> dict[str, Any]:
    script, words = ask.script, "".join(ask.script.words)
    if "anthropic" in model:
        return message(ask, model)
    if "nova" in model:
        said = {"role": "assistant", "content": [{"text": words}]}
        counted = usage(ask)
        found = {name: counted[name] for name in ("inputTokens", "outputTokens", "totalTokens")}
        found["cacheReadInputTokenCount"] = counted["cacheReadInputTokens"]
        found["cacheWriteInputTokenCount"] = counted["cacheWriteInputTokens"]
        return {"output": {"message": said}, "stopReason": "end_turn", "usage": found}
    if "embed" in model and "titan" in model:
        return {"embedding": [0.5, 0.25], "inputTextTokenCount": script.input}
    if "image" in model:
        return {"images": ["iVBORw0KGgo="] * script.number("images", 1)}
    if "titan" in model:
        result = {"tokenCount": script.output, "outputText": words, "completionReason": "FINISH"}
        return {"inputTextTokenCount": script.input, "results": [result]}
    if "meta" in model:
        return {
            "generation": words,
            "prompt_token_count": script.input,
            "generation_token_count": script.output,
            "stop_reason": "stop",
        }
    if "mistral" in model:
        return {"outputs": [{"text": words, "stop_reason": "stop"}]}
    if "embed" in model:
        return {"id": unique("emb"), "embeddings": [[0.5]], "response_type": "embeddings_floats"}
    if "cohere" in model:
        return {"response_id": unique("cohere"), "text": words, "finish_reason": "COMPLETE"}
    counted = {"prompt_tokens": script.input, "completion_tokens": script.output}
    choice = {"index": 0, "message": {"content": words}, "finish_reason": "stop"}
    return {"id": unique("chatcmpl"), "model": model, "choices": [choice], "usage": counted}


def invoke_stream(ask: Ask) -> Reply:
    """POST /model/{id}/invoke-with-response-stream."""
    return failure(ask) or stream(_chunks(ask, unquote(ask.groups[0])))


def _chunks(ask: Ask, model: str) -> Iterator[tuple[str, Any]]:
    counted = usage(ask) if "anthropic" in model or "nova" in model else None
    metrics: dict[str, Any] = {
        "inputTokenCount": counted["inputTokens"] if counted else ask.script.input,
        "outputTokenCount": ask.script.output,
        "invocationLatency": 12,
        "firstByteLatency": 3,
    }
    if counted:
        metrics["cacheReadInputTokenCount"] = counted["cacheReadInputTokens"]
        metrics["cacheWriteInputTokenCount"] = counted["cacheWriteInputTokens"]
    pieces = list(_pieces(ask, model))
    pieces[-1] |= {"amazon-bedrock-invocationMetrics": metrics, **_traced(ask)}
    for piece in pieces:
        if piece.get("type") == "error":
            yield "modelStreamErrorException", {"message": "The loopback provider broke."}
            return
        yield "chunk", {"bytes": base64.b64encode(json.dumps(piece).encode()).decode()}


def _pieces(ask: Ask, model: str) -> Iterator[dict[str, Any]]:
    words = ask.script.words
    if "anthropic" in model:
        yield from message_events(ask, model)
    elif "nova" in model:
        yield {"messageStart": {"role": "assistant"}}
        for word in words:
            yield {"contentBlockDelta": {"delta": {"text": word}, "contentBlockIndex": 0}}
        yield {"messageStop": {"stopReason": "end_turn"}}
        yield {"metadata": {"usage": _body(ask, model)["usage"], "metrics": {}}}
    elif "meta" in model:
        for at, word in enumerate(words, 1):
            last = at == len(words)
            yield {
                "generation": word,
                "prompt_token_count": ask.script.input if at == 1 else None,
                "generation_token_count": ask.script.output if last else at,
                "stop_reason": "stop" if last else None,
            }
    else:
        for at, word in enumerate(words, 1):
            reason = "stop" if at == len(words) else None
            yield {"outputs": [{"text": word, "stop_reason": reason}]}


def start_async(ask: Ask) -> Reply:
    """POST /async-invoke: what it makes goes to S3."""
    return json_reply({"invocationArn": f"arn:aws:bedrock:us-east-1:1:async-invoke/{unique('v')}"})


def batch_job(ask: Ask) -> Reply:
    """POST /model-invocation-job, of the service that is not the runtime."""
    found = {"jobArn": JOB}
    if ask.method == "GET":
        found |= {"modelId": "us.amazon.nova-pro-v1:0", "status": "Completed"}
    return json_reply(found)


JOB = "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdef123456"


def batch_results(ask: Ask) -> Reply:
    """GET of S3's `.../JOB/NAME.jsonl.out`: two results and a failure."""
    counted = {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}
    said = {"role": "assistant", "content": [{"text": "toll"}]}
    output = {"output": {"message": said}, "stopReason": "end_turn", "usage": counted}
    lines: list[dict[str, Any]] = [
        {"recordId": f"request-{index}", "modelInput": {}, "modelOutput": output}
        for index in range(2)
    ]
    refused = {"errorCode": 400, "errorMessage": "refused"}
    lines.append({"recordId": "request-failed", "modelInput": {}, "error": refused})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return Reply(text.encode(), content_type="binary/octet-stream")


GUARDRAIL_USAGE = {
    "topicPolicyUnits": 1,
    "contentPolicyUnits": 2,
    "wordPolicyUnits": 1,
    "sensitiveInformationPolicyUnits": 1,
    "sensitiveInformationPolicyFreeUnits": 1,
    "contextualGroundingPolicyUnits": 0,
}


def apply_guardrail(ask: Ask) -> Reply:
    """POST /guardrail/{id}/version/{version}/apply."""
    answer = {"usage": GUARDRAIL_USAGE, "action": "NONE", "outputs": [], "assessments": []}
    return failure(ask) or json_reply(answer)


def guardrail_checks(ask: Ask) -> Reply:
    """POST /guardrail-checks/invoke."""
    usage = {"contentFilter": {"textUnits": 2}, "promptAttack": {"textUnits": 1}}
    return failure(ask) or json_reply({"results": {}, "usage": usage})


def _steps(ask: Ask) -> Iterator[dict[str, Any]]:
    """Traces of an agent that asks two models."""
    counted = {"inputTokens": ask.script.input, "outputTokens": ask.script.output}
    metadata = {"usage": counted, "endTime": "2026-11-20T10:00:05Z"}
    for name, model in (
        ("preProcessingTrace", "us.amazon.nova-lite-v1:0"),
        ("orchestrationTrace", "us.amazon.nova-pro-v1:0"),
    ):
        trace_id = unique("trace")
        yield {name: {"modelInvocationInput": {"traceId": trace_id, "foundationModel": model}}}
        yield {name: {"modelInvocationOutput": {"traceId": trace_id, "metadata": metadata}}}


def agent(ask: Ask) -> Reply:
    """POST /agents/...: traces only where the request asks for them."""

    def happened() -> Iterator[tuple[str, Any]]:
        for step in _steps(ask) if ask.body.get("enableTrace") else ():
            yield "trace", {"trace": step, "sessionId": "s"}
        yield "chunk", {"bytes": base64.b64encode(b"toll").decode()}

    return failure(ask) or stream(happened())


def flow(ask: Ask) -> Reply:
    """POST /flows/{id}/aliases/{alias}: one of its nodes is an agent."""

    def happened() -> Iterator[tuple[str, Any]]:
        if ask.body.get("enableTrace"):
            parts = [{"trace": step} for step in _steps(ask)]
            dependency = {"nodeName": "agent", "traceElements": {"agentTraces": parts}}
            yield "flowTraceEvent", {"trace": {"nodeDependencyTrace": dependency}}
        yield "flowOutputEvent", {"nodeName": "end", "content": {"document": "toll"}}
        yield "flowCompletionEvent", {"completionReason": "SUCCESS"}

    return failure(ask) or stream(happened())


def knowledge_base(ask: Ask) -> Reply:
    """POST /retrieveAndGenerate and its stream: no usage."""
    said = {"text": "toll"}
    if ask.path.endswith("Stream"):
        return stream([("output", said)])
    return json_reply({"output": said, "sessionId": "s", "citations": []})


def rerank(ask: Ask) -> Reply:
    """POST /rerank: no usage."""
    return json_reply({"results": [{"index": 0, "relevanceScore": 0.5}]})


ROUTES: dict[str, Handler] = {
    r"POST /model/([^/]+)/converse": converse,
    r"POST /model/([^/]+)/converse-stream": converse_stream,
    r"POST /model/([^/]+)/invoke": invoke,
    r"POST /async-invoke": start_async,
    r"POST /model-invocation-job": batch_job,
    r"GET /model-invocation-job/.*": batch_job,
    r"GET /[\w/-]+\.jsonl\.out": batch_results,
    r"POST /guardrail/[^/]+/version/[^/]+/apply": apply_guardrail,
    r"POST /guardrail-checks/invoke": guardrail_checks,
    r"POST /agents/.*": agent,
    r"POST /flows/[^/]+/aliases/[^/]+": flow,
    r"POST /retrieveAndGenerate(?:Stream)?": knowledge_base,
    r"POST /rerank": rerank,
    r"POST /model/([^/]+)/invoke-with-response-stream": invoke_stream,
}
