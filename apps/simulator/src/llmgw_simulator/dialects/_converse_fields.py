"""The shapes of Bedrock's Converse, ConverseStream and CountTokens: tables, after AWS's API reference.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from llmgw_simulator.dialects.coral import Blob, Document, Fields, Flag, Many, Number, Pairs, Shape, Text

_TOOL_NAME = Text(1, 64, "[a-zA-Z0-9_-]+")
_CALL_ID = Text(1, 64, "[a-zA-Z0-9_.:-]+")
_S3 = Fields(
    {"uri": Text(1, 1024, r"s3://[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9](/.*)?"), "bucketOwner": Text(pattern="[0-9]{12}")},
    ("uri",),
)
_ERROR = Fields({"message": Text()})
_CACHE_POINT = Fields({"type": Text(enum=("default",)), "ttl": Text(enum=("5m", "1h"))}, ("type",))
_CITATIONS = Fields({"enabled": Flag()}, ("enabled",))


def _source(union: str, **more: Shape) -> Fields:
    return Fields({"bytes": Blob(1), "s3Location": _S3, **more}, union=union)


_IMAGE = Fields(
    {"format": Text(enum=("gif", "jpeg", "png", "webp")), "source": _source("ImageSource"), "error": _ERROR},
    ("format", "source"),
)
_DOCUMENT = Fields(
    {
        "format": Text(enum=("txt", "pdf", "xls", "doc", "docx", "html", "md", "csv", "xlsx")),
        "name": Text(1, 200),
        "source": _source(
            "DocumentSource",
            text=Text(),
            content=Many(Fields({"text": Text()}, union="DocumentContentBlock")),
        ),
        "context": Text(),
        "citations": _CITATIONS,
    },
    ("name", "source"),
)
_VIDEO = Fields(
    {
        "format": Text(enum=("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp")),
        "source": _source("VideoSource"),
    },
    ("format", "source"),
)
_AUDIO_FORMATS = (
    "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm",
)  # fmt: skip
_AUDIO = Fields(
    {"format": Text(enum=_AUDIO_FORMATS), "source": _source("AudioSource"), "error": _ERROR}, ("format", "source")
)
_SEARCH_RESULT = Fields(
    {
        "source": Text(),
        "title": Text(),
        "content": Many(Fields({"text": Text()}, ("text",))),
        "citations": _CITATIONS,
    },
    ("source", "title", "content"),
)
_GUARD = Fields(
    {
        "text": Fields(
            {"text": Text(), "qualifiers": Many(Text(enum=("grounding_source", "query", "guard_content")))}, ("text",)
        ),
        "image": Fields(
            {
                "format": Text(enum=("png", "jpeg")),
                "source": Fields({"bytes": Blob(1)}, union="GuardrailConverseImageSource"),
            },
            ("format", "source"),
        ),
    },
    union="GuardrailConverseContentBlock",
)
_INDEX = Number(0, whole=True)


def _place(first: str) -> Fields:
    return Fields({first: _INDEX, "start": _INDEX, "end": _INDEX})


_LOCATION = Fields(
    {
        "web": Fields({"url": Text(), "domain": Text()}),
        "documentChar": _place("documentIndex"),
        "documentPage": _place("documentIndex"),
        "documentChunk": _place("documentIndex"),
        "searchResultLocation": _place("searchResultIndex"),
    },
    union="CitationLocation",
)
_CITED = Fields(
    {
        "content": Many(Fields({"text": Text()}, union="CitationGeneratedContent")),
        "citations": Many(
            Fields(
                {
                    "title": Text(),
                    "source": Text(),
                    "sourceContent": Many(Fields({"text": Text()}, union="CitationSourceContent")),
                    "location": _LOCATION,
                }
            )
        ),
    }
)
_REASONING = Fields(
    {
        "reasoningText": Fields({"text": Text(), "signature": Text()}, ("text",)),
        "redactedContent": Blob(),
    },
    union="ReasoningContentBlock",
)
_TOOL_USE = Fields(
    {"toolUseId": _CALL_ID, "name": _TOOL_NAME, "input": Document(), "type": Text(enum=("server_tool_use",))},
    ("toolUseId", "name", "input"),
)
_TOOL_RESULT = Fields(
    {
        "toolUseId": _CALL_ID,
        "content": Many(
            Fields(
                {
                    "json": Document(),
                    "text": Text(),
                    "image": _IMAGE,
                    "document": _DOCUMENT,
                    "video": _VIDEO,
                    "searchResult": _SEARCH_RESULT,
                },
                union="ToolResultContentBlock",
            )
        ),
        "status": Text(enum=("success", "error")),
        "type": Text(),
    },
    ("toolUseId", "content"),
)
_TOOL_REFERENCE = Fields(
    {"tool": Fields({"type": Text(1, 64), "name": Text(1, 128), "serverName": Text(1, 128)})}, ("tool",)
)
_CONTENT = Fields(
    {
        "text": Text(),
        "image": _IMAGE,
        "document": _DOCUMENT,
        "video": _VIDEO,
        "audio": _AUDIO,
        "toolUse": _TOOL_USE,
        "toolResult": _TOOL_RESULT,
        "guardContent": _GUARD,
        "cachePoint": _CACHE_POINT,
        "reasoningContent": _REASONING,
        "citationsContent": _CITED,
        "searchResult": _SEARCH_RESULT,
        "toolAddition": _TOOL_REFERENCE,
        "toolRemoval": _TOOL_REFERENCE,
    },
    union="ContentBlock",
)
_MESSAGES = Many(
    Fields({"role": Text(enum=("user", "assistant", "system")), "content": Many(_CONTENT)}, ("role", "content"))
)
_SYSTEM = Many(
    Fields({"text": Text(1), "guardContent": _GUARD, "cachePoint": _CACHE_POINT}, union="SystemContentBlock")
)
_TOOL = Fields(
    {
        "toolSpec": Fields(
            {
                "name": _TOOL_NAME,
                "description": Text(1),
                "inputSchema": Fields({"json": Document()}, union="ToolInputSchema"),
                "strict": Flag(),
            },
            ("name", "inputSchema"),
        ),
        "systemTool": Fields({"name": _TOOL_NAME}, ("name",)),
        "cachePoint": _CACHE_POINT,
    },
    union="Tool",
)
_TOOL_CONFIG = Fields(
    {
        "tools": Many(_TOOL, 1),
        "toolChoice": Fields(
            {"auto": Fields({}), "any": Fields({}), "tool": Fields({"name": _TOOL_NAME}, ("name",))}, union="ToolChoice"
        ),
    },
    ("tools",),
)
_OUTPUT_CONFIG = Fields(
    {
        "textFormat": Fields(
            {
                "type": Text(enum=("json_schema",)),
                "structure": Fields(
                    {"jsonSchema": Fields({"schema": Text(), "name": Text(), "description": Text()}, ("schema",))},
                    union="OutputFormatStructure",
                ),
            },
            ("type", "structure"),
        ),
        "effort": Text(0, 16),
    }
)
_METADATA = r"[a-zA-Z0-9\s:_@$#=/+,-.]"
_GUARDRAIL: dict[str, Shape] = {
    "guardrailIdentifier": Text(
        0, 2048, r"|[a-z0-9]+|arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+"
    ),
    "guardrailVersion": Text(pattern="|[1-9][0-9]{0,7}|DRAFT"),
    "trace": Text(enum=("enabled", "disabled", "enabled_full")),
}
_TOP: dict[str, Shape] = {
    "messages": _MESSAGES,
    "system": _SYSTEM,
    "inferenceConfig": Fields(
        {
            "maxTokens": Number(1, whole=True),
            "temperature": Number(0, 1),
            "topP": Number(0, 1),
            "stopSequences": Many(Text(1), 0, 2500),
        }
    ),
    "toolConfig": _TOOL_CONFIG,
    "projectIdentifier": Text(1, 2048),
    "additionalModelRequestFields": Document(),
    "promptVariables": Pairs(Text(), Fields({"text": Text()}, union="PromptVariableValues")),
    "additionalModelResponseFieldPaths": Many(Text(1, 256), 0, 10),
    "requestMetadata": Pairs(Text(1, 256, _METADATA + "{1,256}"), Text(0, 256, _METADATA + "{0,256}"), 1, 16),
    "performanceConfig": Fields({"latency": Text(enum=("standard", "optimized"))}),
    "serviceTier": Fields({"type": Text(enum=("priority", "default", "flex", "reserved"))}, ("type",)),
    "outputConfig": _OUTPUT_CONFIG,
}

CONVERSE = Fields({**_TOP, "guardrailConfig": Fields(_GUARDRAIL)})
"""The body of `/model/{id}/converse`."""

CONVERSE_STREAM = Fields(
    {**_TOP, "guardrailConfig": Fields({**_GUARDRAIL, "streamProcessingMode": Text(enum=("sync", "async"))})}
)
"""The body of `/model/{id}/converse-stream`."""

COUNT_TOKENS = Fields(
    {
        "input": Fields(
            {
                "invokeModel": Fields({"body": Blob()}, ("body",)),
                "converse": Fields(
                    {name: _TOP[name] for name in ("messages", "system", "toolConfig", "additionalModelRequestFields")}
                ),
            },
            union="CountTokensInput",
        )
    },
    ("input",),
)
"""The body of `/model/{id}/count-tokens`."""
