"""Tables of names: providers, models, tiers and deployments as price lists spell them.

Input: what spans and people write. Output: the names of the price lists. A name that no table maps
stays as it is and is matched exactly.
"""

from __future__ import annotations

from types import MappingProxyType

__all__ = [
    "DEPLOYMENTS",
    "GATEWAYS",
    "MAKERS",
    "MODELS",
    "NOT_FREE",
    "ORDINARY_TIERS",
    "OWN_LISTS",
    "PROVIDERS",
    "SAME_PRICES",
    "SELF_HOSTED",
    "SHARED_LISTS",
    "THINKING_MODELS",
    "TIERS",
    "VENDORS",
]

PROVIDERS = MappingProxyType(
    {
        "anthropic": "anthropic",
        "aws.bedrock": "aws",
        "aws_bedrock": "aws",
        "aws": "aws",
        "bedrock": "aws",
        "bedrock_converse": "aws",
        "amazon-bedrock": "aws",
        # The catalogue matches `contains 'openai'` first and would take OpenAI's own list.
        "azure.ai.openai": "azure",
        "azure.ai.inference": "azure",
        "az.ai.openai": "azure",
        "az.ai.inference": "azure",
        "azure": "azure",
        "azure_ai": "azure",
        "azure_openai": "azure",
        "cerebras": "cerebras",
        "cloudflare": "cloudflare",
        "cohere": "cohere",
        "databricks": "databricks",
        "deepseek": "deepseek",
        "fireworks": "fireworks",
        "fireworks_ai": "fireworks",
        "gcp.gemini": "google",
        "gcp.gen_ai": "google",
        "gcp.vertex_ai": "google",
        "gemini": "google",
        "google": "google",
        "vertex_ai": "google",
        "github_copilot": "github-copilot",
        "groq": "groq",
        "hugging_face": "huggingface",
        "huggingface": "huggingface",
        "meta_llama": "meta",
        "minimax": "minimax",
        "mistral": "mistral",
        "mistral_ai": "mistral",
        "moonshot_ai": "moonshotai",
        "moonshot": "moonshotai",
        "novita": "novita",
        "novita_ai": "novita",
        "openai": "openai",
        "openrouter": "openrouter",
        "perplexity": "perplexity",
        "together": "together",
        "together_ai": "together",
        "togetherai": "together",
        "voyage": "voyageai",
        "voyage_ai": "voyageai",
        "x_ai": "x-ai",
        "xai": "x-ai",
        "z_ai": "zai",
        "zhipu_ai": "zhipuai",
    }
)
"""Our canonical provider names, and the prefixes gateways put before a model, to price lists."""

OWN_LISTS = MappingProxyType(
    {"gcp.vertex_ai": "vertex", "vertex_ai": "vertex", "azure.ai.inference": "azure_foundry"}
)
"""Providers whose shipped rows are kept apart from the catalogue's list they share."""

SHARED_LISTS = MappingProxyType({"vertex": ("google",), "azure_foundry": ("azure",)})
"""Shipped list to those that hold too where it names no model."""

GATEWAYS = frozenset({"litellm", "portkey", "helicone", "ai_gateway", "vercel_ai_gateway"})
"""Gateways: the model string names the provider that answered."""

SELF_HOSTED = frozenset({"ollama", "vllm"})
"""Servers on one's own machine: priced by an explicit zero row, except their cloud models."""

MODELS = MappingProxyType(
    {
        ("anthropic", "claude-2.0"): "claude-2",
        ("anthropic", "claude-2.1"): "claude-2",
        # bedrock-mantle names a model without its date.
        ("aws", "anthropic.claude-haiku-4-5"): "regional.anthropic.claude-haiku-4-5-20251001-v1:0",
        ("aws", "anthropic.claude-opus-4-1"): "regional.anthropic.claude-opus-4-1-20250805-v1:0",
        ("aws", "anthropic.claude-sonnet-4-5"): (
            "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"
        ),
        ("aws", "global.anthropic.claude-haiku-4-5"): (
            "global.anthropic.claude-haiku-4-5-20251001-v1:0"
        ),
        ("aws", "global.anthropic.claude-sonnet-4-5"): (
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
        ),
        ("google", "gemma-3n-e2b-it"): "gemma-3n",
        ("google", "gemma-3n-e4b-it"): "gemma-3n",
        ("openai", "omni-moderation-latest"): "moderation",
        ("openai", "omni-moderation-2024-09-26"): "moderation",
        ("openai", "text-moderation-latest"): "moderation",
        ("openai", "text-moderation-stable"): "moderation",
        ("openai", "text-moderation-007"): "moderation",
    }
)
"""(price list, name a call carries) to the row's id, where no boundary rule applies."""

VENDORS = MappingProxyType(
    {
        "aws": (
            ("nova-", "amazon."),
            ("titan-", "amazon."),
            ("llama", "meta."),
            ("mistral-", "mistral."),
            ("mixtral-", "mistral."),
            ("command-", "cohere."),
            ("jamba-", "ai21."),
            ("gpt-oss-", "openai."),
            ("qwen", "qwen."),
        ),
        "openrouter": (
            ("gpt-", "openai/"),
            ("o1", "openai/"),
            ("o3", "openai/"),
            ("o4-", "openai/"),
            ("claude-", "anthropic/"),
            ("gemini-", "google/"),
            ("grok-", "x-ai/"),
            ("deepseek-", "deepseek/"),
            ("llama-", "meta-llama/"),
            ("mistral-", "mistralai/"),
        ),
    }
)
"""Price list to (how a model name begins, the vendor OpenLLMetry cuts off before it)."""

NOT_FREE = frozenset(
    {
        # An empty price row that stands for a price the catalogue cannot express, not for zero:
        ("openrouter", "google/lyria-3-clip-preview"),  # per clip
        ("openrouter", "google/lyria-3-pro-preview"),  # per song
        ("cerebras", "qwen-3-coder-480b"),  # was per token, withdrawn
    }
)

SAME_PRICES = frozenset({("azure", "openai"), ("azure", "anthropic"), ("google", "anthropic")})
"""(price list, the list it falls back to) where the maker's prices are the reseller's too."""

MAKERS = (
    ("claude-", "anthropic"),
    ("gpt-3.5", "openai"),
    ("gpt-4", "openai"),
    ("gpt-5", "openai"),
    ("gpt-6", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4-", "openai"),
    ("text-embedding-3-", "openai"),
    ("text-embedding-ada-", "openai"),
    ("whisper-1", "openai"),
    ("tts-1", "openai"),
    ("gemini-", "gcp.gemini"),
    ("grok-", "x_ai"),
)
"""How closed models' names begin, and their maker: its list is used if no provider is named."""

ORDINARY_TIERS = frozenset(
    {"default", "auto", "standard", "standard_only", "on_demand", "on-demand"}
)
"""Names of the ordinary tier, whose price is the list price."""

TIERS = MappingProxyType(
    {
        "on_demand_flex": "flex",
        "on_demand_priority": "priority",
        "provisioned_throughput": "provisioned",
    }
)
"""Vertex AI's traffic types in the words of the others."""

DEPLOYMENTS = (
    # Of a zone or global, provisioned throughput is billed by the hour.
    ("provisioned", "provisioned"),
    ("global", ""),
    ("datazone", "data_zone"),
    ("developer", "developer"),
    ("standard", "regional"),
    ("regional", "regional"),
)
"""What an Azure deployment type contains, and the deployment of its price; the first match holds.
https://learn.microsoft.com/azure/ai-foundry/foundry-models/concepts/deployment-types"""

THINKING_MODELS = ("gemini-2.5-flash-preview", "qwen-plus", "qwen-turbo", "qwen3-")
"""How the names of models begin that bill an answer without reasoning at another rate:
https://ai.google.dev/gemini-api/docs/pricing (April 2025), https://www.alibabacloud.com/help/en/model-studio/models"""
