"""Refusals that can be cured, in the providers' own words."""

from typing import Any

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.chat import (
    ChatRequest,
    Origin,
    Reasoning,
    RedactedThinking,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    Turn,
)
from llmgw_domain.errors import GatewayError
from llmgw_protocols import dialect_for, dialect_named
from llmgw_protocols.dialect import Rendered, TargetFacts
from llmgw_protocols.gemini.render_turns import UNSIGNED
from llmgw_protocols.repairs import Act, Repair, in_responses, on_body, on_request, repair_for

CONVERSE = dialect_for(TargetFacts(provider=Provider.BEDROCK, model="us.amazon.nova-pro-v1:0"))


def refusal(dialect: str, message: str, status: int = 400, **more: Any) -> GatewayError:
    spoken = CONVERSE if dialect == "converse" else dialect_named(dialect)
    inner = {"message": message, "type": "invalid_request_error", **more}
    bodies: dict[str, Any] = {
        "messages": {"type": "error", "error": inner},
        "gemini": {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}},
        "converse": {"message": message},
    }
    headers = {"x-amzn-errortype": "ValidationException"} if dialect == "converse" else {}
    return spoken.fault(status, headers, msgspec.json.encode(bodies.get(dialect, {"error": inner})))


def drop(field: str, *, lasting: bool = True) -> Repair:
    return Repair(Act.DROP, field, lasting)


NO_THINKING = Repair(Act.NO_THINKING, lasting=False)
UNSIGN = Repair(Act.UNSIGN, lasting=False)


@pytest.mark.parametrize(
    ("dialect", "words", "expected"),
    [
        (
            "chat",
            (
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead."
            ),
            Repair(Act.RENAME_LIMIT, "max_completion_tokens"),
        ),
        (
            "chat",
            "Unrecognized request argument supplied: max_completion_tokens",
            Repair(Act.RENAME_LIMIT, "max_tokens"),
        ),
        ("chat", "body.stream_options: Extra inputs are not permitted", Repair(Act.NO_STREAM_OPTIONS)),
        ("chat", "Unrecognized request argument supplied: stream_options", Repair(Act.NO_STREAM_OPTIONS)),
        (
            "chat",
            (
                "Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. "
                "Please use /v1/responses instead."
            ),
            Repair(Act.RESPONSES),
        ),
        ("chat", "Unsupported parameter: 'temperature' is not supported with this model.", drop("temperature")),
        (
            "chat",
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) is supported.",
            drop("temperature"),
        ),
        ("chat", "Unsupported parameter: 'stop' is not supported with this model.", drop("stop")),
        ("chat", "property 'logprobs' is unsupported", drop("logprobs")),
        ("chat", "deepseek-reasoner does not support this tool_choice", Repair(Act.FREE_CHOICE)),
        ("responses", "Unsupported parameter: 'top_p' is not supported with this model.", drop("top_p")),
        ("responses", "Unsupported parameter: 'reasoning.effort' is not supported with this model.", drop("reasoning")),
        ("messages", "messages.1.content.0: Invalid `signature` in `thinking` block", NO_THINKING),
        (
            "messages",
            (
                "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When "
                "`thinking` is enabled, a final `assistant` message must start with a thinking block."
            ),
            NO_THINKING,
        ),
        (
            "messages",
            (
                "messages.3.content.1: `thinking` or `redacted_thinking` blocks in the latest assistant message "
                "cannot be modified."
            ),
            NO_THINKING,
        ),
        (
            "messages",
            "Thinking may not be enabled when tool_choice forces tool use.",
            Repair(Act.FREE_CHOICE, lasting=False),
        ),
        (
            "messages",
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
            drop("top_p", lasting=False),
        ),
        (
            "messages",
            "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.",
            drop("temperature", lasting=False),
        ),
        ("messages", "`temperature` is deprecated for this model.", drop("temperature")),
        ("gemini", "Function call is missing a thought_signature in functionCall parts.", UNSIGN),
        ("gemini", "Corrupted thought signature.", UNSIGN),
        ("gemini", "Thought signature is not valid", UNSIGN),
        (
            "gemini",
            "Invalid JSON payload received. Unknown name \"topK\" at 'generation_config': no field",
            drop("top_k"),
        ),
        (
            "converse",
            "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
            drop("stop"),
        ),
        (
            "converse",
            "This model doesn't support the toolConfig.toolChoice.any field. Remove it and try again.",
            Repair(Act.FREE_CHOICE),
        ),
        (
            "converse",
            "The model returned the following errors: messages.1.content.0: Invalid `signature` in `thinking` block",
            NO_THINKING,
        ),
    ],
)
def test_a_refusal_names_its_cure(dialect: str, words: str, expected: Repair) -> None:
    """The provider's words tell which of the known cures it is."""
    assert expected == repair_for(dialect, refusal(dialect, words))


def test_the_field_that_a_provider_names_decides() -> None:
    """Where the error has a field of its own, the words are not searched for another."""
    error = refusal("chat", "Unsupported value: it is not supported", param="top_p", code="unsupported_value")
    assert drop("top_p") == repair_for("chat", error)
    other = refusal("chat", "Unsupported value: 'messages[0].role' does not support 'system'", param="messages[0].role")
    assert repair_for("chat", other) is None


@pytest.mark.parametrize(
    ("dialect", "words", "status"),
    [
        ("chat", "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -1 instead.", 400),
        ("chat", "This model's maximum context length is 8192 tokens, and max_tokens is not supported", 400),
        ("chat", "Unsupported parameter: 'temperature' is not supported with this model.", 429),
        ("chat", "Unsupported parameter: 'temperature' is not supported with this model.", 500),
        ("chat", "The model does not exist and stop is not supported", 404),
        ("messages", "messages: at least one message is required", 400),
        ("messages", "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens", 400),
        ("gemini", "Please use a valid role: user, model.", 400),
        ("converse", "This model doesn't support the s3Uri field. Remove s3Uri and try again.", 400),
        ("chat", "", 400),
    ],
)
def test_other_refusals_are_the_clients_to_read(dialect: str, words: str, status: int) -> None:
    """A wrong value, a prompt that is too long, a limit: nothing that could be left out."""
    assert repair_for(dialect, refusal(dialect, words, status)) is None


def test_a_422_is_read_and_a_404_only_where_it_names_the_other_api() -> None:
    """Some servers validate with 422; OpenAI hides its newest models from the older API behind a 404."""
    words = "body.stream_options: Extra inputs are not permitted"
    assert Repair(Act.NO_STREAM_OPTIONS) == repair_for("chat", refusal("chat", words, 422))
    words = "This model is only supported in v1/responses and not in v1/chat/completions."
    assert Repair(Act.RESPONSES) == repair_for("chat", refusal("chat", words, 404))


CALL = ToolCall("c", "f", "{}", "sig")
THOUGHTS = (Thinking("hm", "sig", Origin("anthropic")), RedactedThinking("x", Origin("anthropic")))
REQUEST = ChatRequest(
    model="m",
    turns=(
        Turn("user", (Text("hi"),)),
        Turn("assistant", (*THOUGHTS, Text("so"), CALL, msgspec.structs.replace(CALL, id="d", signature=None))),
    ),
    temperature=0.5,
    stop=("x",),
    logprobs=True,
    top_logprobs=3,
    reasoning=Reasoning(effort="low"),
    tools=(Tool(name="f"),),
    tool_choice=ToolChoice("named", ("f",)),
    family="google",
)


@pytest.mark.parametrize(
    ("repair", "changed", "lost"),
    [
        (drop("temperature"), {"temperature": None}, ("temperature",)),
        (drop("stop"), {"stop": ()}, ("stopSequences",)),
        (drop("logprobs"), {"logprobs": None, "top_logprobs": None}, ("responseLogprobs",)),
        (drop("reasoning"), {"reasoning": None}, ("thinkingConfig",)),
        (drop("top_p"), {}, ()),
        (Repair(Act.FREE_CHOICE), {"tool_choice": ToolChoice("auto")}, ("toolConfig",)),
        (Repair(Act.RENAME_LIMIT, "max_tokens"), {}, ()),
    ],
)
def test_what_is_left_out_is_named(repair: Repair, changed: dict[str, Any], lost: tuple[str, ...]) -> None:
    """By the client's own name; what was not there is not lost."""
    assert (msgspec.structs.replace(REQUEST, **changed), lost) == on_request([repair], REQUEST)


def test_a_choice_that_forces_nothing_stays() -> None:
    """Auto, none, and a list to choose from freely."""
    for choice in (ToolChoice("auto"), ToolChoice("none"), ToolChoice("allowed", ("f",)), None):
        request = msgspec.structs.replace(REQUEST, tool_choice=choice)
        assert (request, ()) == on_request([Repair(Act.FREE_CHOICE)], request)


def test_reasoning_of_earlier_turns_is_left_out() -> None:
    """All of it, and nothing else."""
    request, lost = on_request([NO_THINKING], REQUEST)
    assert REQUEST.turns[1].content[2:] == request.turns[1].content
    assert request.turns[0] is REQUEST.turns[0]
    assert ("contents.thinking",) == lost


def test_signatures_give_way_to_the_documented_placeholder() -> None:
    """On the first call of a turn, where Google looks for one. No content is lost."""
    request, lost = on_request([UNSIGN], REQUEST)
    assert (Text("so"), ("c", UNSIGNED), ("d", None)) == (
        request.turns[1].content[0],
        *((b.id, b.signature) for b in request.turns[1].content if isinstance(b, ToolCall)),
    )
    assert () == lost


BODY = b'{"model":"m","max_tokens":9,"x":[1.0, {"a" :2}],"stream_options":{"include_usage":true}}'
RENAME = Repair(Act.RENAME_LIMIT, "max_completion_tokens")


def body_of(*repairs: Repair, own: Any = None, body: bytes = BODY) -> bytes:
    return on_body(repairs, Rendered(path="/", body=body), own).body


def test_a_body_is_changed_at_its_top_only() -> None:
    """Every value stays the very bytes that it was, in its place."""
    renamed = BODY.replace(b"max_tokens", b"max_completion_tokens")
    assert renamed == body_of(RENAME)
    assert BODY == body_of(Repair(Act.RENAME_LIMIT, "max_tokens"), body=renamed)
    assert b'{"model":"m","max_tokens":9,"x":[1.0, {"a" :2}]}' == body_of(Repair(Act.NO_STREAM_OPTIONS))


def test_what_the_client_sent_itself_is_left_to_it() -> None:
    """Only the gateway's own wish for usage is taken back."""
    own = {"stream_options": msgspec.Raw(b'{"include_obfuscation":false}')}
    assert b'"stream_options":{"include_obfuscation":false}}' in body_of(Repair(Act.NO_STREAM_OPTIONS), own=own)
    assert b"stream_options" not in body_of(Repair(Act.NO_STREAM_OPTIONS), own={})


def test_a_body_that_has_nothing_to_repair_is_the_same() -> None:
    """Neither field is invented; both names at once are the client's own mistake."""
    rendered = Rendered(path="/", body=b'{"model": "m"}')
    assert on_body([RENAME, Repair(Act.NO_STREAM_OPTIONS), drop("stop")], rendered) is rendered
    both = b'{"max_tokens":1,"max_completion_tokens":2}'
    assert both == body_of(RENAME, body=both)


def test_only_what_keeps_the_meaning_may_touch_a_clients_own_bytes() -> None:
    """Another name for the limit, and a wish that is the gateway's."""
    keeping = {act for act in Act if Repair(act).keeps_meaning}
    assert {Act.RENAME_LIMIT, Act.NO_STREAM_OPTIONS} == keeping
    assert (True, False) == (in_responses([RENAME, Repair(Act.RESPONSES)]), in_responses([RENAME]))
