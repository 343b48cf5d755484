"""Bedrock's agents, flows, guardrails and knowledge bases, which ask models for the caller.

Input: requests and events of bedrock-agent-runtime (InvokeAgent, InvokeInlineAgent, InvokeFlow) and
what ApplyGuardrail, InvokeGuardrailChecks, Converse and InvokeModel report of one. Output: a call
per model request in a trace of an agent, below the agent's own span. Without `enableTrace` no event
has usage, and the agent's span says so
(docs.aws.amazon.com/bedrock/latest/userguide/trace-events.html).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wrapt import ObjectProxy

from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.observer import Observer
from spantoll.instrumentation.provider import Call, DeferredResult
from spantoll.instrumentation.reading import Table, Via, pick
from spantoll.instrumentation.values import positive
from spantoll.semconv import attributes as keys

if TYPE_CHECKING:
    _Proxy = ObjectProxy[Any]
else:
    # wrapt 1 has no type parameters.
    _Proxy = ObjectProxy

__all__ = [
    "AGENT",
    "FLOW",
    "GUARDRAIL",
    "GUARDRAIL_CHECKS",
    "KNOWLEDGE_BASE",
    "AgentObserver",
    "guardrail_units",
]

_UNITS = keys.SPANTOLL_USAGE_PREFIX
GUARDRAIL_UNITS = {
    "topicPolicyUnits": _UNITS + "guardrail_topic_units",
    "contentPolicyUnits": _UNITS + "guardrail_content_units",
    "contentPolicyImageUnits": _UNITS + "guardrail_image_units",
    "sensitiveInformationPolicyUnits": _UNITS + "guardrail_sensitive_information_units",
    "contextualGroundingPolicyUnits": _UNITS + "guardrail_grounding_units",
    "automatedReasoningPolicyUnits": _UNITS + "guardrail_automated_reasoning_units",
}
"""Text units of a policy that is billed; word filters and regular expressions are free
(aws.amazon.com/bedrock/pricing, Guardrails)."""

GUARDRAIL = Call(
    "moderation",
    request={"aws.bedrock.guardrail.id": "guardrailIdentifier"},
    response={key: Via(f"usage.{name}", positive) for name, key in GUARDRAIL_UNITS.items()},
    # No model, but what its price is listed by.
    constant={keys.REQUEST_MODEL: "amazon.bedrock-guardrails"},
)

GUARDRAIL_CHECKS = Call(
    "moderation",
    response={
        _UNITS + "guardrail_content_units": Via("usage.contentFilter.textUnits", positive),
        _UNITS + "guardrail_prompt_attack_units": Via("usage.promptAttack.textUnits", positive),
        _UNITS + "guardrail_sensitive_information_units": Via(
            "usage.sensitiveInformation.textUnits", positive
        ),
    },
    # Not the model of a guardrail: whether a check has the price of a policy is not known.
    constant={keys.REQUEST_MODEL: "amazon.bedrock-guardrail-checks"},
)


def guardrail_units(path: str) -> Table:
    """Return what a call reports of its guardrail at `path`, where the trace is switched on."""
    return {key: Via(path, _sum_assessments(name)) for name, key in GUARDRAIL_UNITS.items()}


def _sum_assessments(name: str) -> Callable[[Any], int | None]:
    def count(guardrail: Any) -> int | None:
        found = [*(pick(guardrail, "inputAssessment") or pick(guardrail, "input") or {}).values()]
        for several in (pick(guardrail, "outputAssessments") or {}).values():
            found += several
        for output in pick(guardrail, "outputs") or ():
            found += output.values()
        return sum(pick(each, f"invocationMetrics.usage.{name}") or 0 for each in found) or None

    return count


SESSION = {keys.CONVERSATION_ID: "sessionId"}
AGENT = Call(
    "invoke_agent",
    request={
        # Of an inline agent.
        keys.REQUEST_MODEL: "foundationModel",
        "gen_ai.agent.name": "agentName",
        "gen_ai.agent.id": "agentId",
        **SESSION,
    },
    has_values=lambda _: False,
    billed=False,
)
FLOW = Call(
    "invoke_workflow",
    request={"gen_ai.workflow.name": "flowIdentifier"},
    has_values=lambda _: False,
    billed=False,
)
"""Each transition between its nodes is billed too, which no event counts."""
_RETRIEVAL = "retrieveAndGenerateConfiguration"
KNOWLEDGE_BASE = Call(
    "chat",
    request={
        keys.REQUEST_MODEL: (
            f"{_RETRIEVAL}.knowledgeBaseConfiguration.modelArn",
            f"{_RETRIEVAL}.externalSourcesConfiguration.modelArn",
        )
    },
    response=SESSION,
)
"""RetrieveAndGenerate: no answer reports the tokens of its model, so its usage is missing."""

MODEL_REQUEST = Call(
    "chat",
    response={
        keys.USAGE_INPUT_TOKENS: "metadata.usage.inputTokens",
        keys.USAGE_OUTPUT_TOKENS: "metadata.usage.outputTokens",
    },
)
STEPS = (
    "preProcessingTrace",
    "orchestrationTrace",
    "postProcessingTrace",
    "routingClassifierTrace",
)
"""Steps of an agent that can have asked a model."""


class AgentObserver(_Proxy):
    """Passes the events of an agent or a flow on, and records the model requests in its traces.

    `complete` where the traces have every model request; those of a flow leave its prompts out.
    What is not in them is recorded as one call whose usage is missing.
    """

    def __init__(self, observer: Observer, *, complete: bool) -> None:
        super().__init__(observer)
        self._self_models: dict[Any, Any] = {}
        self._self_complete = complete
        self._self_is_missing = True

    @guarded(lambda *_: True)
    def observe_chunk(self, event: Any) -> bool:
        """Record what the service asked of models, and read the event."""
        for trace in _traces(event):
            for result in self._results(trace):
                self._self_is_missing = not self._self_complete
                self.__wrapped__.add_call(result)
        seen: bool = self.__wrapped__.observe_chunk(event)
        return seen

    def finish(self, *, complete: bool = True) -> None:
        """End the span, below which every model request is now."""
        if self._self_is_missing and not self.__wrapped__.ended:
            self.__wrapped__.add_call(DeferredResult(MODEL_REQUEST, ""))
        self.__wrapped__.finish(complete=complete)

    def _results(self, trace: Mapping[str, Any]) -> Iterator[DeferredResult]:
        for name in STEPS:
            step: Mapping[str, Any] = trace.get(name) or {}
            asked = step.get("modelInvocationInput")
            answer = step.get("modelInvocationOutput") or {}
            if asked:
                self._self_models[asked.get("traceId")] = asked.get("foundationModel")
            if pick(answer, "metadata.usage") is not None:
                model = self._self_models.pop(answer.get("traceId"), None)
                ended = pick(answer, "metadata.endTime")
                yield DeferredResult(
                    MODEL_REQUEST,
                    "",
                    body=answer,
                    created_s=int(ended.timestamp()) if ended is not None else None,
                    attributes={keys.REQUEST_MODEL: model} if model else None,
                )


def _traces(event: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the traces of an event: of an agent, or of an agent that is a node of a flow."""
    found = pick(event, "trace.trace")
    if found is not None:
        yield found
    elements = pick(event, "flowTraceEvent.trace.nodeDependencyTrace.traceElements")
    for part in pick(elements, "agentTraces") or ():
        yield part.get("trace") or {}
