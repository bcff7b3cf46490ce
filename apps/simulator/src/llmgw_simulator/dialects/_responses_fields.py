"""The fields of OpenAI Responses: tables for `_rules.check`."""

from __future__ import annotations

from llmgw_simulator.dialects._rules import ANY, FLAG, LIST, NEEDED_TEXT, OBJECT, TEXT, Rule, one_of

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
INCLUDES = (
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
)

REQUEST: dict[str, Rule] = {
    "model": TEXT,
    "access_programs": LIST,
    "background": FLAG,
    "background_options": OBJECT,
    # Not of the public reference; Codex sends it and OpenAI takes it.
    "client_metadata": OBJECT,
    "context_management": ANY,
    "conversation": ANY,
    "image": OBJECT,
    "include": LIST,
    "input": ANY,
    "instructions": TEXT,
    "max_output_tokens": Rule("integer", low=16),
    "max_tool_calls": Rule("integer", low=1),
    "metadata": OBJECT,
    "moderation": OBJECT,
    "parallel_tool_calls": FLAG,
    "previous_response_id": TEXT,
    "prompt": OBJECT,
    "prompt_cache_key": TEXT,
    "prompt_cache_options": OBJECT,
    "prompt_cache_retention": one_of("in_memory", "in-memory", "24h"),
    "reasoning": OBJECT,
    "safety_identifier": TEXT,
    "service_tier": one_of("auto", "default", "flex", "scale", "priority", "fast", "ultrafast"),
    "store": FLAG,
    "stream": FLAG,
    "stream_options": OBJECT,
    "temperature": Rule("decimal", low=0, high=2),
    "text": OBJECT,
    "tool_choice": ANY,
    "tools": LIST,
    "top_logprobs": Rule("integer", low=0, high=20),
    "top_p": Rule("decimal", low=0, high=1),
    "truncation": one_of("auto", "disabled"),
    "user": TEXT,
}
COUNT_REQUEST: dict[str, Rule] = {
    name: REQUEST.get(name, ANY)
    for name in (
        "conversation",
        "input",
        "instructions",
        "parallel_tool_calls",
        "personality",
        "previous_response_id",
        "reasoning",
        "text",
        "tool_choice",
        "tools",
        "truncation",
    )
} | {"model": TEXT}
REASONING: dict[str, Rule] = {
    "effort": one_of(*EFFORTS),
    "summary": one_of("auto", "concise", "detailed"),
    "generate_summary": one_of("auto", "concise", "detailed"),
    "mode": one_of("standard", "pro"),
    "context": one_of("auto", "current_turn", "all_turns"),
}
TEXT_OPTIONS: dict[str, Rule] = {"format": OBJECT, "verbosity": one_of("low", "medium", "high")}
FORMATS: dict[str, dict[str, Rule]] = {
    "text": {"type": TEXT},
    "json_object": {"type": TEXT},
    "json_schema": {
        "type": TEXT,
        "name": NEEDED_TEXT,
        "schema": Rule("object", required=True),
        "description": TEXT,
        "strict": FLAG,
    },
}
STREAM_OPTIONS: dict[str, Rule] = {"include_obfuscation": FLAG}

_ID, _CALL_ID, _STATUS = TEXT, NEEDED_TEXT, one_of("in_progress", "completed", "incomplete")
_CALL: dict[str, Rule] = {
    "type": TEXT,
    "id": _ID,
    "call_id": _CALL_ID,
    "status": _STATUS,
    "caller": ANY,
    "namespace": TEXT,
    "async": FLAG,
}
_OUTPUT: dict[str, Rule] = {"type": TEXT, "id": _ID, "call_id": _CALL_ID, "status": _STATUS, "caller": ANY}
_HOSTED: dict[str, Rule] = {"type": TEXT, "id": NEEDED_TEXT, "status": TEXT}

ITEMS: dict[str, dict[str, Rule]] = {
    "message": {
        "type": TEXT,
        "id": _ID,
        "role": NEEDED_TEXT,
        "content": Rule(required=True),
        "status": _STATUS,
        "phase": one_of("commentary", "final_answer"),
    },
    "function_call": {**_CALL, "name": NEEDED_TEXT, "arguments": NEEDED_TEXT},
    "function_call_output": {**_OUTPUT, "output": Rule(required=True), "name": TEXT, "namespace": TEXT},
    "custom_tool_call": {**_CALL, "name": NEEDED_TEXT, "input": NEEDED_TEXT},
    "custom_tool_call_output": {**_OUTPUT, "output": Rule(required=True)},
    "reasoning": {
        "type": TEXT,
        "id": _ID,
        "summary": Rule("array", required=True),
        "content": LIST,
        "encrypted_content": TEXT,
    },
    "item_reference": {"type": TEXT, "id": NEEDED_TEXT},
    "additional_tools": {"type": TEXT, "id": _ID, "role": TEXT, "tools": Rule("array", required=True)},
    "tool_search_call": {
        "type": TEXT,
        "id": _ID,
        "call_id": TEXT,
        "status": _STATUS,
        "execution": TEXT,
        "arguments": ANY,
    },
    "tool_search_output": {
        "type": TEXT,
        "id": _ID,
        "call_id": TEXT,
        "status": _STATUS,
        "execution": TEXT,
        "tools": LIST,
    },
    "web_search_call": {**_HOSTED, "id": TEXT, "action": OBJECT},
    "file_search_call": {**_HOSTED, "queries": LIST, "results": LIST},
    "computer_call": {**_CALL, "pending_safety_checks": LIST, "action": OBJECT, "actions": LIST},
    "computer_call_output": {**_OUTPUT, "output": Rule(required=True), "acknowledged_safety_checks": LIST},
    "image_generation_call": {
        **_HOSTED,
        **dict.fromkeys(("result", "background", "error", "output_format", "quality", "revised_prompt"), ANY),
        **dict.fromkeys(("size", "svg_usage", "action"), ANY),
    },
    "code_interpreter_call": {**_HOSTED, "code": TEXT, "container_id": TEXT, "outputs": LIST},
    "local_shell_call": {**_CALL, "action": OBJECT},
    "local_shell_call_output": {**_OUTPUT, "call_id": TEXT, "output": Rule(required=True)},
    "shell_call": {**_CALL, "action": OBJECT, "environment": ANY},
    "shell_call_output": {**_OUTPUT, "output": Rule(required=True), "max_output_length": ANY},
    "apply_patch_call": {**_CALL, "operation": OBJECT},
    "apply_patch_call_output": {**_OUTPUT, "status": TEXT, "output": TEXT},
    "mcp_list_tools": {**_HOSTED, "server_label": TEXT, "tools": LIST, "error": ANY},
    "mcp_approval_request": {**_HOSTED, "arguments": TEXT, "name": TEXT, "server_label": TEXT},
    "mcp_approval_response": {
        "type": TEXT,
        "id": _ID,
        "approval_request_id": NEEDED_TEXT,
        "approve": Rule("boolean", required=True),
        "reason": TEXT,
    },
    "mcp_call": {
        **_HOSTED,
        "arguments": TEXT,
        "name": TEXT,
        "server_label": TEXT,
        "approval_request_id": TEXT,
        "error": ANY,
        "output": TEXT,
    },
    "compaction": {"type": TEXT, "id": _ID, "encrypted_content": NEEDED_TEXT},
    "compaction_trigger": {"type": TEXT, "id": _ID},
    "configuration_update": {"type": TEXT, "id": _ID, "reasoning": OBJECT, "text": OBJECT},
    "program": {"type": TEXT, "id": TEXT, "call_id": TEXT, "code": TEXT, "fingerprint": TEXT},
    "program_output": {"type": TEXT, "id": TEXT, "call_id": TEXT, "result": ANY, "status": TEXT},
}
"""Input items by type."""

ID_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "reasoning": "rs",
    "function_call_output": "fc",
}
"""How the ids of items begin; OpenAI refuses others."""

INPUT_PARTS: dict[str, dict[str, Rule]] = {
    "input_text": {"type": TEXT, "text": NEEDED_TEXT, "prompt_cache_breakpoint": OBJECT},
    "input_image": {
        "type": TEXT,
        "detail": one_of("low", "high", "auto", "original"),
        "file_id": TEXT,
        "image_url": TEXT,
        "prompt_cache_breakpoint": OBJECT,
    },
    "input_file": {
        "type": TEXT,
        "detail": TEXT,
        "file_data": TEXT,
        "file_id": TEXT,
        "file_url": TEXT,
        "filename": TEXT,
        "prompt_cache_breakpoint": OBJECT,
    },
}
OUTPUT_PARTS: dict[str, dict[str, Rule]] = {
    "output_text": {"type": TEXT, "text": NEEDED_TEXT, "annotations": LIST, "logprobs": LIST},
    "refusal": {"type": TEXT, "refusal": NEEDED_TEXT},
}

_FUNCTION: dict[str, Rule] = {
    "type": TEXT,
    "name": NEEDED_TEXT,
    "description": TEXT,
    "parameters": OBJECT,
    "strict": FLAG,
    "async": FLAG,
    "allowed_callers": LIST,
    "defer_loading": FLAG,
    "output_schema": OBJECT,
}
TOOLS: dict[str, dict[str, Rule] | None] = {
    "function": _FUNCTION,
    "custom": {
        "type": TEXT,
        "name": NEEDED_TEXT,
        "description": TEXT,
        "format": OBJECT,
        "async": FLAG,
        "allowed_callers": LIST,
        "defer_loading": FLAG,
    },
    "namespace": {"type": TEXT, "name": NEEDED_TEXT, "description": TEXT, "tools": Rule("array", required=True)},
    **dict.fromkeys(
        (
            "file_search",
            "computer",
            "computer_use_preview",
            "web_search",
            "web_search_2025_08_26",
            "mcp",
            "code_interpreter",
            "programmatic_tool_calling",
            "image_generation",
            "local_shell",
            "shell",
            "tool_search",
            "web_search_preview",
            "web_search_preview_2025_03_11",
            "apply_patch",
        )
    ),
}
"""Tools by type; those without a table are hosted by the provider, and the simulator only takes note of them."""
