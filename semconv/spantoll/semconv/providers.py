"""Who was called: the raw provider, the API host and the model id of a span -> `Source`.

Names are those of `gen_ai.provider.name`, or our own where the convention has none. A host
outranks the name a span carries, because one SDK calls many hosts; a model id of a form that only
one cloud uses outranks the maker's name, because the makers' SDKs call the clouds too.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Source", "canonical", "from_host", "identify_provider", "region_of_host"]

ALIASES: dict[str, str] = {
    "amazon": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "amazon-bedrock": "aws.bedrock",
    "anthropic-aws": "anthropic",
    "aws": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "az.ai.agents": "azure.ai.inference",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "azure.ai": "azure.ai.inference",
    "azure.ai.agents": "azure.ai.inference",
    "azure.anthropic": "azure.ai.inference",
    "azure.openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock-anthropic": "aws.bedrock",
    "bedrock.anthropic": "aws.bedrock",
    "bedrock-converse": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "claude": "anthropic",
    "fireworks": "fireworks_ai",
    "fireworks-ai": "fireworks_ai",
    "gateway": "vercel_ai_gateway",
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
    "google.vertex.anthropic": "gcp.vertex_ai",
    "google_vertexai": "gcp.vertex_ai",
    "googlevertex": "gcp.vertex_ai",
    "googlevertex.anthropic": "gcp.vertex_ai",
    "hugging_face": "huggingface",
    "lmstudio": "lm_studio",
    "microsoft.foundry": "azure.ai.inference",
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
    "vertex.anthropic": "gcp.vertex_ai",
    "vertex.maas": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "x-ai": "x_ai",
    "xai": "x_ai",
}
"""What emitters write -> the `gen_ai.provider.name` of the convention, or our own where it has none
(openrouter, ollama, vllm, lm_studio, huggingface, together_ai, fireworks_ai, cerebras ...).
`gateway` is Vercel's, to which the AI SDK sends each model that is given as text. Foundry names
itself `microsoft.foundry`, Agent Framework's client of its agents `azure.ai`, their SDK
`az.ai.agents`."""

APIS = frozenset(
    {"chat", "responses", "completion", "messages", "embedding", "image", "speech"}
    | {"transcription", "video", "reranking"}
)
"""What the AI SDK appends to a provider: `openai.chat`, `google.vertex.chat`."""

FRAMEWORKS = frozenset(
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
    "ai-gateway.vercel.sh": "vercel_ai_gateway",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "openrouter.ai": "openrouter",
    "router.huggingface.co": "huggingface",
}

SUFFIXES: dict[str, str] = {
    # Regional hosts: developers.openai.com/api/docs/guides/data-residency,
    # docs.x.ai/developers/regions, docs.mistral.ai/inference/regional-inference.
    ".api.openai.com": "openai",
    ".api.x.ai": "x_ai",
    "api.eu.mistral.ai": "mistral_ai",
    "api.us.mistral.ai": "mistral_ai",
    ".openai.azure.com": "azure.ai.openai",
    ".cognitiveservices.azure.com": "azure.ai.openai",
    ".services.ai.azure.com": "azure.ai.inference",
    ".models.ai.azure.com": "azure.ai.inference",
    "-aiplatform.googleapis.com": "gcp.vertex_ai",
    ".aiplatform.googleapis.com": "gcp.vertex_ai",
    ".openrouter.ai": "openrouter",
    ".ml.cloud.ibm.com": "ibm.watsonx.ai",
}

_BEDROCK = re.compile(
    r"bedrock(?:-runtime|-mantle)?(?:-fips)?\.([a-z0-9-]+)\."
    r"(?:(?:vpce\.)?amazonaws\.com(?:\.cn)?|api\.aws)$"
)


class ModelIdForm(NamedTuple):
    """A form of model ids that only one cloud uses."""

    provider: str
    pattern: re.Pattern[str]
    example: str
    source: str


MODEL_ID_FORMS = (
    ModelIdForm(
        "aws.bedrock",
        re.compile(r"arn:aws[\w-]*:bedrock:|(?:[a-z-]+\.)?anthropic\."),
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html",
    ),
    ModelIdForm(
        "gcp.vertex_ai",
        re.compile(r"claude-[\w.-]+@"),
        "claude-sonnet-4-5@20250929",
        "docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude",
    ),
)
"""Anthropic's SDK calls these clouds, and emitters write `anthropic` for all of its clients."""


class Source(NamedTuple):
    """Who was called, and how that is known."""

    provider: str | None
    raw: str | None
    """The provider as the span carries it."""
    host: str | None
    """Host or base URL, as the span carries it."""
    region: str | None = None
    """The region in a Bedrock host."""
    note: str | None = None
    """Why `provider` is not the one the span names."""


@lru_cache(maxsize=1024)
def identify_provider(
    *, raw: str | None, fixed: str | None, host: str | None, model: str | None
) -> Source:
    """Identify who was called; `fixed` is the provider of a dialect that has only one."""
    named = fixed or canonical(raw)
    hosted = from_host(host)
    if hosted is not None:
        note = None
        if named is not None and hosted != named:
            note = f"provider: {host} is {hosted}, though the span carries {raw}"
        return Source(hosted, raw, host, region_of_host(host), note)
    if named == "anthropic" and model is not None:
        cloud = provider_of_model_id(model)
        if cloud is not None:
            note = f"provider: only {cloud} has models named {model}, though the span carries {raw}"
            return Source(cloud, raw, host, note=note)
    return Source(named, raw, host)


def provider_of_model_id(model: str) -> str | None:
    """Name the cloud that serves a model, where the form of the id decides it."""
    return next((form.provider for form in MODEL_ID_FORMS if form.pattern.match(model)), None)


@lru_cache(maxsize=512)
def canonical(raw: str | None) -> str | None:
    """Name a provider as the convention does; None where a framework named itself."""
    if not raw:
        return None
    name = raw.strip().lower().replace(" ", "_")
    if name in FRAMEWORKS:
        return None
    known = ALIASES.get(name) or ALIASES.get(name.replace("-", "_"))
    if known is not None:
        return known
    if name.startswith("langgenius/"):
        # Dify names plugins by organisation, plugin and provider: `langgenius/openai/openai`.
        return canonical(name.rpartition("/")[2])
    head, _, api = name.rpartition(".")
    if head and api in APIS:
        return ALIASES.get(head, head)
    return name


@lru_cache(maxsize=512)
def from_host(host: str | None) -> str | None:
    """Name the provider of an API host or base URL; None for an unknown host."""
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


def region_of_host(host: str | None) -> str | None:
    """Read the AWS region out of a Bedrock host."""
    found = _BEDROCK.search(host.split("://")[-1].split("/")[0].lower()) if host else None
    return found.group(1) if found else None
