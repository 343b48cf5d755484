from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["canonical", "from_host", "region_of"]

ALIASES: dict[str, str] = {
    "amazon": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "amazon-bedrock": "aws.bedrock",
    "anthropic-aws": "anthropic",
    "aws": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "azure.openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock-converse": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "claude": "anthropic",
    "fireworks": "fireworks_ai",
    "fireworks-ai": "fireworks_ai",
    "gcp": "gcp.gen_ai",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "google-gla": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "google.vertex.ai": "gcp.vertex_ai",
    "google_genai": "gcp.gemini",
    "google_ai_studio": "gcp.gemini",
    "google.generative-ai": "gcp.gemini",
    "google.vertex": "gcp.vertex_ai",
    "hugging_face": "huggingface",
    "lmstudio": "lm_studio",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "moonshotai": "moonshot_ai",
    "googleai": "gcp.gemini",
    "open_ai": "openai",
    "openai_sdk": "openai",
    "together": "together_ai",
    "together_ai": "together_ai",
    "togetherai": "together_ai",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "vertex": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "x-ai": "x_ai",
    "xai": "x_ai",
}
"""What emitters write -> the `gen_ai.provider.name` of the convention, or our own where it has none
(openrouter, ollama, vllm, lm_studio, huggingface, together_ai, fireworks_ai, cerebras ...)."""

NOBODY = frozenset(
    {"langchain", "spring_ai", "strands-agents", "microsoft.agent_framework", "gcp.vertex.agent"}
    | {"unknown", "litellm", "litellm_proxy", "crewai", "langgraph", "pydantic-ai"}
)
"""Frameworks that put their own name where the provider belongs."""

HOSTS: dict[str, str] = {
    "api.anthropic.com": "anthropic",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks_ai",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.openai.com": "openai",
    "eu.api.openai.com": "openai",
    "us.api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.together.ai": "together_ai",
    "api.together.xyz": "together_ai",
    "api.x.ai": "x_ai",
    "api-inference.huggingface.co": "huggingface",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "openrouter.ai": "openrouter",
    "router.huggingface.co": "huggingface",
}

SUFFIXES: dict[str, str] = {
    ".openai.azure.com": "azure.ai.openai",
    ".cognitiveservices.azure.com": "azure.ai.openai",
    ".services.ai.azure.com": "azure.ai.inference",
    ".models.ai.azure.com": "azure.ai.inference",
    "-aiplatform.googleapis.com": "gcp.vertex_ai",
    ".aiplatform.googleapis.com": "gcp.vertex_ai",
    ".openrouter.ai": "openrouter",
    ".ml.cloud.ibm.com": "ibm.watsonx.ai",
}

_BEDROCK = re.compile(r"bedrock(?:-runtime)?(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$")


@lru_cache(maxsize=512)
def canonical(raw: str | None) -> str | None:
    """Name a provider as the convention does; None where a framework named itself.

    The AI SDK appends the API to the provider: `openai.chat`, `anthropic.messages`.
    """
    if not raw:
        return None
    name = raw.strip().lower().replace(" ", "_")
    if name in NOBODY:
        return None
    if name in ALIASES:
        return ALIASES[name]
    head, _, api = name.partition(".")
    if api in ("chat", "responses", "completion", "messages", "embedding", "image", "speech"):
        return ALIASES.get(head, head)
    return name


@lru_cache(maxsize=512)
def from_host(host: str | None) -> str | None:
    """Tell the provider by its API host or base URL; None for a host nobody knows."""
    if not host:
        return None
    name = host.strip().lower()
    if "://" in name:
        name = name.split("://", 1)[1]
    name = name.split("/", 1)[0].split("@")[-1].split(":", 1)[0]
    if name in HOSTS:
        return HOSTS[name]
    if _BEDROCK.search(name):
        return "aws.bedrock"
    return next((found for suffix, found in SUFFIXES.items() if name.endswith(suffix)), None)


@lru_cache(maxsize=512)
def region_of(host: str | None) -> str | None:
    """Read the AWS region out of a Bedrock host."""
    found = _BEDROCK.search(host.split("://")[-1].split("/")[0].lower()) if host else None
    return found.group(1) if found else None
