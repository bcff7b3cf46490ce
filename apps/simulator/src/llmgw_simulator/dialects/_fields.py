"""The fields that each provider knows: tables, so that a request with any other is refused as the provider would."""

from __future__ import annotations

CHAT_FIELDS = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
"""Top-level fields of OpenAI chat completions."""

COMPATIBLE_FIELDS = frozenset(
    {
        "thinking",
        "top_k",
        "min_p",
        "repetition_penalty",
        "chat_template_kwargs",
        "reasoning",
        "enable_thinking",
        "separate_reasoning",
    }
)
"""What servers of the same protocol take as well."""

MESSAGES_FIELDS = frozenset(
    {
        "cache_control",
        "container",
        "diagnostics",
        "inference_geo",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "thinking",
        "tool_choice",
        "tools",
        "user_profile_id",
        "workspace_id",
    }
)
"""Top-level fields of every version of Anthropic messages."""

BETA_FIELDS = frozenset(
    {
        "billing_policy",
        "compaction",
        "context_management",
        "fallback_credit_token",
        "fallbacks",
        "mcp_servers",
        "output_format",
        "thread",
    }
)
"""Fields of Anthropic messages that need an `anthropic-beta` header."""

GEMINI_FIELDS = frozenset(
    {
        "contents",
        "tools",
        "toolConfig",
        "safetySettings",
        "systemInstruction",
        "generationConfig",
        "cachedContent",
        "serviceTier",
        "store",
        "labels",
        "model",
        "continuationToken",
    }
)
"""Top-level fields of Gemini generateContent."""

GENERATION_FIELDS = frozenset(
    {
        "audioTimestamp",
        "audioTranscriptionConfig",
        "candidateCount",
        "enableEnhancedCivicAnswers",
        "frequencyPenalty",
        "imageConfig",
        "logprobs",
        "maxOutputTokens",
        "mediaResolution",
        "presencePenalty",
        "responseFormat",
        "responseJsonSchema",
        "responseLogprobs",
        "responseMimeType",
        "responseModalities",
        "responseSchema",
        "seed",
        "speechConfig",
        "stopSequences",
        "temperature",
        "thinkingConfig",
        "topK",
        "topP",
    }
)
"""Fields of `generationConfig`."""

VERTEX_FIELDS = (GEMINI_FIELDS - {"store"}) | {"modelArmorConfig"}
"""Top-level fields of generateContent on Vertex AI."""

VERTEX_GENERATION_FIELDS = (GENERATION_FIELDS - {"enableEnhancedCivicAnswers"}) | {"routingConfig", "modelConfig"}
"""Fields of `generationConfig` there."""

PART_FIELDS = frozenset(
    {
        "text",
        "thought",
        "thoughtSignature",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "toolResponse",
        "videoMetadata",
        "mediaResolution",
        "partMetadata",
    }
)
"""Fields of a part."""

GEMINI_TOOL_FIELDS = frozenset(
    {
        "functionDeclarations",
        "googleSearch",
        "googleSearchRetrieval",
        "codeExecution",
        "urlContext",
        "computerUse",
        "fileSearch",
        "googleMaps",
        "mcpServers",
        "enterpriseWebSearch",
        "retrieval",
    }
)
"""Fields of a tool."""

DECLARATION_FIELDS = frozenset(
    {
        "name",
        "description",
        "parameters",
        "parametersJsonSchema",
        "response",
        "responseJsonSchema",
        "behavior",
    }
)
"""Fields of a function declaration."""
