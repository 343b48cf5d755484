"""The attribute keys SpanToll writes, and the aliases it reads for attribution.

GenAI convention as of the repository `open-telemetry/semantic-conventions-genai` in November 2026,
written out: the constants of `opentelemetry-semantic-conventions` are frozen at v1.41.
"""

from __future__ import annotations

SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai/1.42.0"
"""The GenAI conventions have a version of their own since they have a repository of their own."""

OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_P = "gen_ai.request.top_p"
REQUEST_TOP_K = "gen_ai.request.top_k"
REQUEST_SEED = "gen_ai.request.seed"
REQUEST_CHOICE_COUNT = "gen_ai.request.choice.count"
REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
REQUEST_STOP_SEQUENCES = "gen_ai.request.stop_sequences"
REQUEST_ENCODING_FORMATS = "gen_ai.request.encoding_formats"
REQUEST_REASONING_LEVEL = "gen_ai.request.reasoning.level"
REQUEST_PREVIOUS_RESPONSE_ID = "gen_ai.request.previous_response.id"
EMBEDDINGS_DIMENSION_COUNT = "gen_ai.embeddings.dimension.count"
OUTPUT_TYPE = "gen_ai.output.type"
CONVERSATION_ID = "gen_ai.conversation.id"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE = "gen_ai.usage.cache_write.input_tokens"
USAGE_CACHE_CREATION = "gen_ai.usage.cache_creation.input_tokens"
"""The name `cache_write` had until semantic-conventions-genai#440; Langfuse, Phoenix and Grafana
dashboards still read it, so both are written, with one value."""
USAGE_REASONING = "gen_ai.usage.reasoning.output_tokens"
USAGE_TEXT_INPUT = "gen_ai.usage.text.input_tokens"
USAGE_IMAGE_INPUT = "gen_ai.usage.image.input_tokens"
USAGE_AUDIO_INPUT = "gen_ai.usage.audio.input_tokens"
USAGE_TEXT_OUTPUT = "gen_ai.usage.text.output_tokens"
USAGE_IMAGE_OUTPUT = "gen_ai.usage.image.output_tokens"
USAGE_AUDIO_OUTPUT = "gen_ai.usage.audio.output_tokens"
COST_AMOUNT = "gen_ai.usage.cost.amount"
COST_CURRENCY = "gen_ai.usage.cost.currency"
COST_SOURCE = "gen_ai.usage.cost.source"
"""Proposed in semantic-conventions-genai#443, not yet a convention: read, written to forward."""
SPANTOLL_COST_AMOUNT = "spantoll.usage.cost.amount"
SPANTOLL_COST_CURRENCY = "spantoll.usage.cost.currency"
SPANTOLL_COST_SOURCE = "spantoll.usage.cost.source"
OPENAI_REQUEST_SERVICE_TIER = "openai.request.service_tier"
OPENAI_RESPONSE_SERVICE_TIER = "openai.response.service_tier"
OPENAI_SYSTEM_FINGERPRINT = "openai.response.system_fingerprint"
OPENAI_API_TYPE = "openai.api.type"
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"

SPANTOLL_PREFIX = "spantoll."
SPANTOLL_USAGE_STATUS = "spantoll.usage.status"
"""reported, partial (an abandoned stream) or missing."""
SPANTOLL_CACHE_WRITE_1H = "spantoll.usage.cache_write_1h.input_tokens"
SPANTOLL_VIDEO_INPUT = "spantoll.usage.video.input_tokens"
SPANTOLL_DOCUMENT_INPUT = "spantoll.usage.document.input_tokens"
SPANTOLL_VIDEO_OUTPUT = "spantoll.usage.video.output_tokens"
SPANTOLL_IMAGES = "spantoll.usage.images"
SPANTOLL_AUDIO_MS = "spantoll.usage.audio_ms"
SPANTOLL_VIDEO_MS = "spantoll.usage.video_ms"
SPANTOLL_CHARACTERS = "spantoll.usage.characters"
SPANTOLL_USAGE_PREFIX = "spantoll.usage.units."
"""Any other unit by name: spantoll.usage.units.web_searches = 2."""
SPANTOLL_IMAGE_SIZE = "spantoll.request.image_size"
SPANTOLL_IMAGE_QUALITY = "spantoll.request.image_quality"
SPANTOLL_BATCH = "spantoll.request.batch"
SPANTOLL_SEARCH_CONTEXT_SIZE = "spantoll.request.search_context_size"
SPANTOLL_SPEED_REQUESTED = "spantoll.request.speed"
SPANTOLL_SPEED = "spantoll.response.speed"
SPANTOLL_SERVICE_TIER_REQUESTED = "spantoll.request.service_tier"
SPANTOLL_SERVICE_TIER = "spantoll.response.service_tier"
"""Served tier of providers other than OpenAI."""
SPANTOLL_REGION = "spantoll.region"
SPANTOLL_DATA_RESIDENCY = "spantoll.data_residency"
SPANTOLL_ENDPOINT_SCOPE = "spantoll.endpoint_scope"
SPANTOLL_DEPLOYMENT = "spantoll.deployment"
SPANTOLL_DEPLOYMENT_TYPE = "spantoll.deployment.type"
SPANTOLL_PROVIDER_INSTANCE = "spantoll.provider.instance"
SPANTOLL_REQUEST_ID = "spantoll.request.id"
SPANTOLL_DURATION_MS = "spantoll.duration_ms"
SPANTOLL_SPAN_ID = "spantoll.span_id"
SPANTOLL_PARENT_SPAN_ID = "spantoll.parent_span_id"
"""On log records of a call: its duration, the ids of its span and of that span's parent, in hex."""
USAGE_EVENT = "spantoll.client.operation.usage"
"""Name of the log record that reports a call outside the sampler."""
DETAILS_EVENT = "gen_ai.client.inference.operation.details"
SPANTOLL_CACHE_HIT = "spantoll.cache_hit"
SPANTOLL_METADATA_PREFIX = "spantoll.metadata."

ATTRIBUTION: dict[str, tuple[str, ...]] = {
    "tenant": ("spantoll.tenant",),
    "customer_id": (
        "spantoll.customer_id",
        "customer.id",
        "customer_id",
        "ai.telemetry.metadata.customerId",
        "traceloop.association.properties.customer_id",
    ),
    "organisation": (
        "spantoll.organisation",
        "organization.name",
        "organisation",
        "metadata.user_api_key_org_alias",
        "metadata.user_api_key_org_id",
        "traceloop.association.properties.organization_id",
    ),
    "project": (
        "spantoll.project",
        "project",
        "project.name",
        "openinference.project.name",
        "metadata.user_api_key_project_alias",
        "metadata.user_api_key_project_id",
    ),
    "workspace_id": ("spantoll.workspace_id", "workspace.id", "workspace_id"),
    "team": (
        "spantoll.team",
        "team",
        "litellm.team.alias",
        "litellm.team.id",
        "metadata.user_api_key_team_alias",
        "metadata.user_api_key_team_id",
        "langfuse.trace.metadata.team",
    ),
    "user_id": (
        "spantoll.user_id",
        "user.id",
        "enduser.id",
        "langfuse.user.id",
        "gen_ai.user",
        "gen_ai.user.id",
        "gen_ai.request.user",
        "llm.user",
        "ai.telemetry.metadata.userId",
        "langsmith.metadata.user_id",
        "traceloop.association.properties.user_id",
        "litellm.end_user.id",
        "metadata.user_api_key_end_user_id",
        "metadata.user_api_key_user_id",
        "mlflow.trace.user",
    ),
    "user_email": ("spantoll.user_email", "user.email", "metadata.user_api_key_user_email"),
    "session_id": (
        "spantoll.session_id",
        "session.id",
        "langfuse.session.id",
        "gen_ai.conversation.id",
        "ai.telemetry.metadata.sessionId",
        "langsmith.trace.session_id",
        "langsmith.metadata.session_id",
        "langsmith.metadata.thread_id",
        "langsmith.metadata.conversation_id",
        "traceloop.association.properties.session_id",
        "gcp.vertex.agent.session_id",
        "spring.ai.chat.client.conversation.id",
        "mlflow.trace.session",
    ),
    "purpose": ("spantoll.purpose", "purpose"),
    "task_type": ("spantoll.task_type", "task_type"),
    "channel": ("spantoll.channel", "channel"),
    "environment": (
        "spantoll.environment",
        "deployment.environment.name",
        "deployment.environment",
        "langfuse.environment",
        "gen_ai.environment",
    ),
    "service_name": ("service.name", "gen_ai.application_name"),
}
"""Field of `Attribution` -> keys in order; on the span before on the resource."""

METADATA_KEYS = frozenset(
    {
        "cost_center",
        "feature",
        "gen_ai.agent.id",
        "gen_ai.agent.name",
        "gen_ai.prompt.name",
        "gen_ai.prompt.version",
        "gen_ai.workflow.name",
        "service.namespace",
        "traceloop.workflow.name",
    }
)
JSON_METADATA_PREFIX = "langfuse.trace.metadata."
"""Langfuse's SDK writes these values as JSON text since version 5, plain text too."""
METADATA_PREFIXES = (
    SPANTOLL_METADATA_PREFIX,
    "ai.telemetry.metadata.",
    JSON_METADATA_PREFIX,
    "traceloop.association.properties.",
)
"""Allow-list of `Attribution.metadata`: names people chose for attribution, never content."""
MAX_METADATA_CHARS = 256
