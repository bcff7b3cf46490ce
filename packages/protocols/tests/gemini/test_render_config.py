"""Tests of settings, tools and foreign fields."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import ChatRequest, HostedTool, OutputFormat, Reasoning, Text, Tool, ToolChoice, Turn
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.dialect import TargetFacts
from llmgw_protocols.gemini.render import render_request

F = Tool(name="f", schema=Raw(b'{"type":"object","properties":{"a":{"type":"string","pattern":"x"}}}'))
SCHEMA = OutputFormat(
    kind="json_schema", name="o", schema=Raw(b'{"type":"object","properties":{"city":{"const":"x"}}}')
)


def rendered(model: str = "gemini-3-flash", **request: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    wish = ChatRequest(model="m", turns=(Turn("user", (Text("hi"),)),), **request)
    made = render_request(wish, TargetFacts(provider=Provider.GOOGLE, model=model))
    return msgspec.json.decode(made.body), made.lossy


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"temperature": 0.0}, {"temperature": 0.0}),
        ({"top_p": 0.5, "top_k": 4}, {"topP": 0.5, "topK": 4}),
        ({"frequency_penalty": 1.0, "presence_penalty": -1.0}, {"frequencyPenalty": 1.0, "presencePenalty": -1.0}),
        ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
        ({"n": 2}, {"candidateCount": 2}),
        ({"seed": 0}, {"seed": 0}),
        ({"stop": ("a", "b")}, {"stopSequences": ["a", "b"]}),
        ({"format": OutputFormat(kind="json_object")}, {"responseMimeType": "application/json"}),
        (
            {"format": SCHEMA, "tools": (F,)},
            {
                "responseMimeType": "application/json",
                "responseJsonSchema": {"type": "object", "properties": {"city": {"enum": ["x"]}}},
            },
        ),
        ({"reasoning": Reasoning(effort="low")}, {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}}),
        ({"reasoning": Reasoning(effort="low", show=False)}, {"thinkingConfig": {"thinkingLevel": "LOW"}}),
        ({"reasoning": Reasoning(effort="none")}, {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}),
        ({"reasoning": Reasoning(mode="adaptive")}, {"thinkingConfig": {"includeThoughts": True}}),
        (
            {"model": "gemini-2.5-flash", "reasoning": Reasoning(effort="low")},
            {"thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True}},
        ),
        ({"n": 1, "logprobs": False, "format": OutputFormat(kind="text")}, None),
    ],
)
def test_generation_config(request_: Any, expected: Any) -> None:
    """Each wish has its place in the configuration, and nothing else is sent."""
    body, lossy = rendered(**request_)
    assert (expected, ()) == (body.get("generationConfig"), lossy)


def test_json_beside_tools_on_older_models() -> None:
    """Where JSON output and tools exclude each other, the format is asked for in words, and that is told."""
    body, lossy = rendered("gemini-2.5-flash", format=SCHEMA, tools=(F,))
    text = body["systemInstruction"]["parts"][0]["text"]
    assert lossy == ("response_format",)
    assert '"city"' in text


@pytest.mark.parametrize(
    ("model", "reasoning"),
    [("gemini-3-pro", Reasoning(effort="none")), ("gemini-2.0-flash", Reasoning(effort="high"))],
)
def test_reasoning_that_a_model_lacks_is_told(model: str, reasoning: Reasoning) -> None:
    """A model that can't stop thinking, or can't think, does what it can, and that is told."""
    assert rendered(model, reasoning=reasoning)[1] == ("reasoning_effort",)


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        (
            (F,),
            [
                {
                    "functionDeclarations": [
                        {
                            "name": "f",
                            "parametersJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
                        }
                    ]
                }
            ],
        ),
        ((Tool(name="g", description="d"),), [{"functionDeclarations": [{"name": "g", "description": "d"}]}]),
        (
            (Tool(name="g", schema=Raw(b'{"type":"object","properties":{}}')),),
            [{"functionDeclarations": [{"name": "g"}]}],
        ),
        (
            (Tool(name="g"), HostedTool(family="google", kind="codeExecution", json=Raw(b'{"codeExecution":{}}'))),
            [{"codeExecution": {}}, {"functionDeclarations": [{"name": "g"}]}],
        ),
        ((HostedTool(family="openai", kind="web_search", json=Raw(b"{}")),), [{"googleSearch": {}}]),
    ],
)
def test_tools(tools: Any, expected: Any) -> None:
    """Functions are declared in one entry behind Google's own tools."""
    assert expected == rendered(tools=tools)[0]["tools"]


def test_web_search_options() -> None:
    """OpenAI's wish for a web search is Google's search."""
    assert rendered(extras={"web_search_options": Raw(b"{}")})[0]["tools"] == [{"googleSearch": {}}]


@pytest.mark.parametrize(
    "tool",
    [
        HostedTool(family="anthropic", kind="web_search_20250305", json=Raw(b"{}")),
        HostedTool(family="openai", kind="file_search", json=Raw(b"{}")),
    ],
)
def test_tools_that_google_can_not_have(tool: Any) -> None:
    """Another provider's tool is refused."""
    with pytest.raises(UnsupportedField) as caught:
        rendered(tools=(tool,))
    assert caught.value.param is not None
    assert caught.value.param.startswith("tools")


def test_a_custom_tool_is_told_in_words() -> None:
    """A free-text tool becomes a function of one text, and that is told."""
    body, lossy = rendered(tools=(Tool(name="c", description="d", custom=True, grammar=Raw(b'{"type":"grammar"}')),))
    declared = body["tools"][0]["functionDeclarations"][0]
    assert (lossy, declared["parametersJsonSchema"]["required"]) == (("tools.custom",), ["input"])
    assert "grammar" in declared["description"]


@pytest.mark.parametrize(
    ("choice", "strict", "expected"),
    [
        (ToolChoice("auto"), None, {"mode": "AUTO"}),
        (ToolChoice("auto"), True, {"mode": "VALIDATED"}),
        (ToolChoice("none"), None, {"mode": "NONE"}),
        (ToolChoice("required"), None, {"mode": "ANY"}),
        (ToolChoice("named", ("f",)), None, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("allowed", ("f",)), None, {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        (ToolChoice("allowed", ("f",), required=True), None, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tool_choice(choice: ToolChoice, strict: bool | None, expected: Any) -> None:
    """A choice becomes a mode and its names."""
    body, _ = rendered(tools=(Tool(name="f", strict=strict),), tool_choice=choice)
    assert {"functionCallingConfig": expected} == body["toolConfig"]


def test_a_choice_among_nothing_is_left_out() -> None:
    """Without functions there is nothing to choose."""
    assert "toolConfig" not in rendered(tool_choice=ToolChoice("none"))[0]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"tools": (F,), "parallel_tool_calls": False}, ("parallel_tool_calls",)),
        ({"parallel_tool_calls": False}, ()),
        (
            {"tools": (F,), "parallel_tool_calls": False, "family": "anthropic"},
            ("tool_choice.disable_parallel_tool_use",),
        ),
        ({"extras": {"logit_bias": Raw(b'{"1":2}')}}, ("logit_bias",)),
        ({"extras": {"logit_bias": Raw(b"{}")}}, ()),
        ({"extras": {"verbosity": Raw(b'"low"'), "prediction": Raw(b'{"a":1}')}}, ("verbosity", "prediction")),
        ({"extras": {"store": Raw(b"true"), "metadata": Raw(b'{"a":"b"}')}}, ()),
        ({"extras": {"modalities": Raw(b'["text"]')}}, ()),
        ({"extras": {"moderation": Raw(b'{"policy":{"input":{"mode":"score"}}}')}}, ("moderation",)),
        ({"family": "anthropic", "extras": {"context_management": Raw(b'{"a":1}')}}, ("context_management",)),
    ],
)
def test_losses(request_: Any, expected: tuple[str, ...]) -> None:
    """What Gemini lacks and changes the answer is named; what changes nothing is not."""
    assert expected == rendered(**request_)[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("modalities", b'["text","audio"]'),
        ("audio", b'{"voice":"x"}'),
        ("moderation", b'{"policy":{"input":{"mode":"block"}}}'),
        ("mcp_servers", b'[{"url":"x"}]'),
    ],
)
def test_refused_fields(name: str, value: bytes) -> None:
    """What changes the kind of the answer is refused by its name."""
    with pytest.raises(UnsupportedField) as caught:
        rendered(extras={name: Raw(value)})
    assert name == caught.value.param


def test_googles_fields_of_other_clients_pass() -> None:
    """A client of another dialect may name Google's own fields."""
    body, lossy = rendered(extras={"safety_settings": Raw(b'[{"category":"x"}]'), "cached_content": Raw(b'"c"')})
    assert (body["safetySettings"], body["cachedContent"], lossy) == ([{"category": "x"}], "c", ())


@pytest.mark.parametrize(
    ("packed", "expected", "lost"),
    [
        (b'{"google":{"safety_settings":[],"cached_content":"c"}}', {"safetySettings": [], "cachedContent": "c"}, ()),
        (b'{"google":{"thinking_config":{"thinking_level":"low"}}}', {}, ()),
        (b'{"google":{"new":1}}', {}, ("extra_body",)),
        (b'{"google":null,"other":1}', {}, ("extra_body",)),
    ],
)
def test_extra_body(packed: bytes, expected: dict[str, Any], lost: tuple[str, ...]) -> None:
    """What clients of Google's own compatible endpoint pack up is taken out; what nobody knows is reported."""
    body, lossy = rendered(extras={"extra_body": Raw(packed)})
    assert ({**expected, "contents": body["contents"]}, lost) == (body, lossy)


@pytest.mark.parametrize("packed", [b"7", b'{"google":[]}'])
def test_an_extra_body_that_is_none(packed: bytes) -> None:
    """It is the client's mistake."""
    with pytest.raises(InvalidField, match="extra_body"):
        rendered(extras={"extra_body": Raw(packed)})


def test_googles_own_extras_go_back_to_their_places() -> None:
    """What a Gemini client said beyond the canonical form is put back where it stood."""
    extras = {"generationConfig.audioTimestamp": Raw(b"true"), "modelArmorConfig": Raw(b'{"a":1}')}
    body, _ = rendered(family="google", extras=extras)
    assert (body["generationConfig"], body["modelArmorConfig"]) == ({"audioTimestamp": True}, {"a": 1})


def test_branches_of_a_schema_that_are_lost() -> None:
    """What a schema's branches could not be told is reported under the field that holds the schema."""
    raw = Raw(b'{"allOf":[{"$ref":"#/$defs/N"},{"properties":{"a":{"type":"string"}}}]}')
    wanted = OutputFormat(kind="json_schema", name="o", schema=raw)
    body, lossy = rendered(tools=(Tool(name="f", schema=raw),), format=wanted)
    kept = {"properties": {"a": {"type": "string"}}}
    assert body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == kept
    assert set(lossy) == {"tools", "response_format"}
