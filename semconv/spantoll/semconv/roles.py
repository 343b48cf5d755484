"""Operation names, as emitters write them -> the canonical name, and the role of the span."""

from __future__ import annotations

from spantoll.semconv.call import Role

__all__ = ["OPERATIONS", "canonical_operation", "role_of_operation"]

OPERATIONS: dict[str, tuple[str, Role]] = {
    # as emitters write it: (canonical operation, role)
    "chat": ("chat", "inference"),
    "chat.completions": ("chat", "inference"),
    "chat_completion": ("chat", "inference"),
    "llm": ("chat", "inference"),
    "completion": ("chat", "inference"),
    "acompletion": ("chat", "inference"),
    "responses": ("chat", "inference"),
    "aresponses": ("chat", "inference"),
    "anthropic_messages": ("chat", "inference"),
    "messages": ("chat", "inference"),
    "generate_content": ("generate_content", "inference"),
    "agenerate_content": ("generate_content", "inference"),
    "text_completion": ("text_completion", "inference"),
    "text_completions": ("text_completion", "inference"),
    "atext_completion": ("text_completion", "inference"),
    "invoke_model": ("chat", "inference"),
    "rerank": ("rerank", "inference"),
    "arerank": ("rerank", "inference"),
    "moderation": ("moderation", "inference"),
    "moderations": ("moderation", "inference"),
    "amoderation": ("moderation", "inference"),
    "embeddings": ("embeddings", "embedding"),
    "embedding": ("embeddings", "embedding"),
    "aembedding": ("embeddings", "embedding"),
    "embed": ("embeddings", "embedding"),
    "embed_content": ("embeddings", "embedding"),
    "image": ("image_generation", "media"),
    "image_generation": ("image_generation", "media"),
    "aimage_generation": ("image_generation", "media"),
    "image_edit": ("image_generation", "media"),
    "speech": ("speech", "media"),
    "aspeech": ("speech", "media"),
    "text_to_speech": ("speech", "media"),
    "transcription": ("transcription", "media"),
    "transcribe": ("transcription", "media"),
    "atranscription": ("transcription", "media"),
    "speech_to_text": ("transcription", "media"),
    "video": ("video_generation", "media"),
    "video_generation": ("video_generation", "media"),
    "invoke_agent": ("invoke_agent", "aggregate"),
    "create_agent": ("create_agent", "aggregate"),
    "invoke_workflow": ("invoke_workflow", "aggregate"),
    "agent_step": ("agent_step", "aggregate"),
    "plan": ("plan", "aggregate"),
    "framework": ("framework", "aggregate"),
    "execute_event_loop_cycle": ("execute_event_loop_cycle", "aggregate"),
    "execute_task": ("execute_task", "aggregate"),
    "execute_method": ("execute_method", "aggregate"),
    "execute_tool": ("execute_tool", "tool"),
    "retrieval": ("retrieval", "tool"),
    "fetch_response": ("fetch_response", "fetch"),
    "create_batch": ("create_batch", "fetch"),
    "count_tokens": ("count_tokens", "fetch"),
    **{
        f"{verb}_{noun}": (f"{verb}_{noun}", "tool")
        for verb in ("create", "update", "upsert", "delete", "search")
        for noun in ("memory", "memory_store")
    },
}
"""`gen_ai.operation.name` of the convention, and what emitters write in its place."""


def canonical_operation(raw: object) -> str | None:
    """Name an operation canonically; an unknown one keeps its own name."""
    if not isinstance(raw, str) or not raw:
        return None
    known = OPERATIONS.get(raw.lower())
    return known[0] if known else raw


def role_of_operation(raw: object) -> Role | None:
    """Return the role of an operation; None for an unknown one."""
    known = OPERATIONS.get(raw.lower()) if isinstance(raw, str) else None
    return known[1] if known else None
