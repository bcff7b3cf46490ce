"""A canonical request, written for OpenAI and for compatible servers."""

from typing import Any

import msgspec
import pytest

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, OutputFormat, Reasoning, Text, Tool, ToolChoice, Turn
from llmgw_domain.errors import InvalidField
from llmgw_domain.servers import Server
from llmgw_protocols.chat import CHAT
from llmgw_protocols.dialect import Rendered, TargetFacts, WireRequest

OPENAI, OTHER = Provider.OPENAI, Provider.OPENAI_COMPATIBLE
LOST_FORMAT = ("response_format",)
TOOLS = (Tool(name="f"), Tool(name="g"))


def rendered(provider: Provider = OPENAI, model: str = "gpt-4.1", family: str = "anthropic", **fields: Any) -> Rendered:
    request = ChatRequest(model="asked", turns=(Turn("user", (Text("hi"),)),), family=family, **fields)
    return CHAT.render(request, TargetFacts(provider=provider, model=model))


def body(*args: Any, **fields: Any) -> dict[str, Any]:
    made = msgspec.json.decode(rendered(*args, **fields).body)
    for always in ("model", "messages"):
        del made[always]
    return made


def test_the_least_request() -> None:
    """Nothing is sent that the client did not say."""
    made = rendered()
    assert made.path == "/chat/completions"
    assert msgspec.json.decode(made.body) == {"model": "gpt-4.1", "messages": [{"role": "user", "content": "hi"}]}
    assert (made.lossy, made.headers) == ((), ())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, {"max_completion_tokens": 5}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"temperature": 0.5, "top_p": 0.1}, {"temperature": 0.5, "top_p": 0.1}),
        ({"stop": ("a", "b"), "seed": 1, "n": 2}, {"stop": ["a", "b"], "seed": 1, "n": 2}),
        ({"frequency_penalty": 0.0}, {"frequency_penalty": 0.0}),
        ({"logprobs": True, "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"user": "u", "cache_key": "k"}, {"safety_identifier": "u", "prompt_cache_key": "k"}),
        ({"service_tier": "auto"}, {}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"service_tier": "FLEX", "family": "google"}, {"service_tier": "flex"}),
        ({"service_tier": "auto", "family": "openai"}, {"service_tier": "auto"}),
        ({"format": OutputFormat(kind="json_object")}, {"response_format": {"type": "json_object"}}),
        (
            {"format": OutputFormat(kind="json_schema", schema=msgspec.Raw(b'{"a":1}'), strict=True)},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "output", "schema": {"a": 1}, "strict": True},
                }
            },
        ),
        ({"tool_choice": ToolChoice("auto"), "parallel_tool_calls": False}, {}),
        (
            {"tools": TOOLS[:1], "parallel_tool_calls": False},
            {"tools": [{"type": "function", "function": {"name": "f"}}], "parallel_tool_calls": False},
        ),
    ],
)
def test_fields_for_openai(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each canonical field under OpenAI's name; a choice without tools is left out."""
    assert expected == body(**fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"user": "u", "cache_key": "k", "service_tier": "flex"}, {"user": "u"}),
        ({"reasoning": Reasoning(effort="high")}, {"reasoning_effort": "high"}),
        ({"reasoning": Reasoning(mode="disabled")}, {"reasoning_effort": "none"}),
        (
            {"tools": TOOLS, "tool_choice": ToolChoice("allowed", ("g",), True)},
            {"tools": [{"type": "function", "function": {"name": "g"}}], "tool_choice": "required"},
        ),
    ],
)
def test_fields_for_compatible_servers(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compatible servers get the old names, and only what all of them know."""
    assert expected == body(OTHER, "llama", **fields)


@pytest.mark.parametrize(
    ("model", "fields", "expected", "lossy"),
    [
        ("gpt-4.1", {"reasoning": Reasoning(budget=2000)}, {}, ("thinking",)),
        ("gpt-4.1", {"reasoning": Reasoning(mode="disabled")}, {}, ()),
        ("gpt-4.1", {"top_k": 4}, {}, ("top_k",)),
        ("gpt-5", {"temperature": 1.0, "stop": ("x",)}, {}, ("temperature", "stop_sequences")),
        ("gpt-5.2", {"temperature": 1.0}, {"temperature": 1.0}, ()),
        (
            "gpt-5.2",
            {"temperature": 1.0, "reasoning": Reasoning(effort="low")},
            {"reasoning_effort": "low"},
            ("temperature",),
        ),
        ("gpt-5", {"reasoning": Reasoning(budget=30000)}, {"reasoning_effort": "high"}, ()),
        ("gpt-5.6", {"reasoning": Reasoning(mode="disabled")}, {"reasoning_effort": "none"}, ()),
    ],
)
def test_reasoning_models(model: str, fields: dict[str, Any], expected: dict[str, Any], lossy: tuple[str, ...]) -> None:
    """What a reasoning model refuses is dropped and reported under the client's name."""
    assert expected == body(model=model, **fields)
    assert lossy == rendered(model=model, **fields).lossy


def test_tools_win_over_effort() -> None:
    """From gpt-5.4 on tools and an effort exclude each other on this path; the tools stay."""
    made = rendered(model="gpt-5.5", tools=TOOLS, reasoning=Reasoning(effort="high"))
    assert msgspec.json.decode(made.body)["reasoning_effort"] == "none"
    assert made.lossy == ("thinking",)


def test_a_choice_that_allows_no_tool() -> None:
    """A choice among tools that are not there is refused, since an empty list of tools is."""
    with pytest.raises(InvalidField) as caught:
        rendered(OTHER, "llama", tools=TOOLS, tool_choice=ToolChoice("allowed", ("h",)))
    assert caught.value.param == "tool_choice"


@pytest.mark.parametrize(("family", "param"), [("openai", "messages"), ("google", "contents")])
def test_nothing_to_send(family: str, param: str) -> None:
    """A request of which no message is left is refused under the client's name for them."""
    request = ChatRequest(model="asked", turns=(Turn("assistant", ()),), family=family)
    with pytest.raises(InvalidField) as caught:
        CHAT.render(request, TargetFacts(provider=OPENAI, model="gpt-4.1"))
    assert (caught.value.param, caught.value.status) == (param, 400)


def test_long_users_are_hashed() -> None:
    """An identifier over OpenAI's bound is replaced by its hash."""
    identifier = body(user="x" * 300)["safety_identifier"]
    assert len(identifier) == 64
    assert identifier == body(user="x" * 300)["safety_identifier"]


def test_google_names() -> None:
    """Losses of a Gemini client go by Gemini's names."""
    made = rendered(model="o3", family="google", top_k=3, top_p=0.5, stop=("x",))
    assert made.lossy == ("topK", "topP", "stopSequences")


def test_a_chat_request_survives() -> None:
    """A chat request that is parsed and rendered again is the same request."""
    request = {
        "model": "gpt-4.1",
        "messages": [
            {"role": "developer", "content": "d"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x"}}],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1.50}'}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "r"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": 1}}},
        "temperature": 0.5,
        "logit_bias": {"1": 2},
        "verbosity": "low",
    }
    envelope = CHAT.envelope(WireRequest(body=msgspec.json.encode(request)))
    made = CHAT.render(CHAT.parse(envelope), TargetFacts(provider=OPENAI, model="gpt-4.1"))
    assert request == msgspec.json.decode(made.body)
    assert made.lossy == ()


# --- servers ----------------------------------------------------------------------------------------------------------


def served(fields: dict[str, Any], **flags: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body for a server of these flags, without model and messages, and what was lost."""
    request = ChatRequest(model="asked", turns=(Turn("user", (Text("hi"),)),), family="openai", **fields)
    facts = TargetFacts(provider=OTHER, model="m", server=Server(name="s", **flags))
    made = CHAT.render(request, facts)
    told = msgspec.json.decode(made.body)
    return {k: v for k, v in told.items() if k not in ("model", "messages")}, made.lossy


SCHEMA = OutputFormat(kind="json_schema", schema=msgspec.Raw(b'{"a":1}'))


@pytest.mark.parametrize(
    ("fields", "flags", "expected", "lossy"),
    [
        ({"max_tokens": 5}, {"output_limit": "max_completion_tokens"}, {"max_completion_tokens": 5}, ()),
        ({"stream": True}, {"stream_options": False}, {"stream": True}, ()),
        ({"top_k": 3}, {"takes": ("top_k",)}, {"top_k": 3}, ()),
        ({"top_k": 3}, {}, {}, ("top_k",)),
        ({"cache_key": "k"}, {"takes": ("prompt_cache_key",)}, {"prompt_cache_key": "k"}, ()),
        ({"service_tier": "flex"}, {"takes": ("service_tier",)}, {"service_tier": "flex"}, ()),
        ({"user": "u"}, {"refuses": ("user",)}, {}, ()),
        ({"format": SCHEMA}, {"formats": ("json_object",)}, {"response_format": {"type": "json_object"}}, LOST_FORMAT),
        ({"format": SCHEMA}, {"formats": ()}, {}, LOST_FORMAT),
        ({"format": OutputFormat(kind="text")}, {"formats": ()}, {"response_format": {"type": "text"}}, ()),
        (
            {"tools": (Tool(name="f", strict=True),), "tool_choice": ToolChoice("required")},
            {"strict_tools": True, "required_choice": "any"},
            {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}], "tool_choice": "any"},
            (),
        ),
    ],
)
def test_fields_for_servers(
    fields: dict[str, Any], flags: dict[str, Any], expected: dict[str, Any], lossy: tuple[str, ...]
) -> None:
    """Each flag of a server has its effect, and what a server lacks is told."""
    assert (expected, lossy) == served(fields, **flags)


def test_a_form_that_a_server_lacks_is_asked_for_in_words() -> None:
    """The schema stands behind the client's own instructions."""
    turns = (Turn("system", (Text("be kind"),)), Turn("user", (Text("hi"),)))
    request = ChatRequest(model="m", turns=turns, format=SCHEMA)
    facts = TargetFacts(provider=OTHER, model="m", server=Server(formats=("json_object",)))
    first, second = msgspec.json.decode(CHAT.render(request, facts).body)["messages"]
    said = "Answer with one JSON object and nothing else. It must be valid against this JSON Schema: "
    assert {"role": "system", "content": f'be kind\n\n{said}{{"a":1}}'} == first
    assert {"role": "user", "content": "hi"} == second


def test_azure_is_written_for_as_openai() -> None:
    """It serves the same models, which want the same names for their limits and efforts."""
    wishes: dict[str, Any] = {"max_tokens": 5, "reasoning": Reasoning(effort="minimal"), "tools": TOOLS}
    for model in ("gpt-5", "o4-mini"):
        assert body(OPENAI, model, **wishes) == body(Provider.AZURE, model, **wishes)


def test_a_model_that_reasons_at_azure() -> None:
    """It is asked as at OpenAI: the newer limit, no samplers while it reasons, an effort that it takes."""
    facts = TargetFacts(provider=Provider.AZURE, model="gpt-5-mini")
    turns = (Turn("user", (Text("Hi"),)),)
    wish = ChatRequest(model="m", turns=turns, max_tokens=9, temperature=0.5, reasoning=Reasoning(effort="none"))
    made = CHAT.render(wish, facts)
    body = msgspec.json.decode(made.body)
    assert {"model", "messages", "max_completion_tokens", "reasoning_effort"} == body.keys()
    assert ("minimal", ("reasoning_effort", "temperature")) == (body["reasoning_effort"], made.lossy)
