"""A canonical request, written for the Responses API."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from llmgw_domain import Provider
from llmgw_domain.chat import CacheMark, ChatRequest, OutputFormat, Reasoning, Text, Tool, Turn
from llmgw_domain.errors import InvalidField, UnsupportedField
from llmgw_protocols.dialect import Rendered, TargetFacts
from llmgw_protocols.responses.render import render

OPENAI, OTHER = Provider.OPENAI, Provider.OPENAI_COMPATIBLE
HI = Turn("user", (Text("hi"),))


def rendered(
    provider: Provider = OPENAI,
    model: str = "gpt-4.1",
    family: str = "openai",
    turns: tuple[Turn, ...] = (HI,),
    **fields: Any,
) -> Rendered:
    request = ChatRequest(model="asked", turns=turns, family=family, **fields)
    return render(request, TargetFacts(provider=provider, model=model))


def body(*args: Any, **fields: Any) -> dict[str, Any]:
    made = msgspec.json.decode(rendered(*args, **fields).body)
    for always in ("model", "input", "store"):
        del made[always]
    return made


def test_the_least_request() -> None:
    """Nothing is sent that the client did not say, but that nothing is to be stored."""
    made = rendered()
    assert made.path == "/responses"
    assert msgspec.json.decode(made.body) == {
        "model": "gpt-4.1",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "store": False,
    }
    assert (made.lossy, made.headers) == ((), ())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stream": True}, {"stream": True}),
        ({"max_tokens": 500}, {"max_output_tokens": 500}),
        ({"temperature": 0.0, "top_p": 0.1}, {"temperature": 0.0, "top_p": 0.1}),
        ({"frequency_penalty": 0.0, "n": 1, "stop": ("",)}, {}),
        ({"user": "u", "cache_key": "k"}, {"safety_identifier": "u", "prompt_cache_key": "k"}),
        ({"service_tier": "flex"}, {"service_tier": "flex"}),
        ({"format": OutputFormat(kind="json_object")}, {"text": {"format": {"type": "json_object"}}}),
        ({"extras": {"verbosity": Raw(b'"low"')}}, {"text": {"verbosity": "low"}}),
        ({"extras": {"metadata": Raw(b'{"a":"b"}')}}, {"metadata": {"a": "b"}}),
        ({"parallel_tool_calls": False}, {}),
    ],
)
def test_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each has one place, and nothing of it is lost."""
    assert body(**fields) == expected
    assert rendered(**fields).lossy == ()


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        ({"max_tokens": 5}, ("max_tokens",)),
        ({"seed": 0}, ("seed",)),
        ({"top_k": 3}, ("top_k",)),
        ({"frequency_penalty": 1.0, "presence_penalty": 1.0}, ("frequency_penalty", "presence_penalty")),
        ({"logprobs": True, "model": "gpt-5"}, ("logprobs",)),
        ({"max_tokens": 5, "family": "google"}, ("maxOutputTokens",)),
        ({"provider": OTHER, "extras": {"verbosity": Raw(b'"low"')}}, ("verbosity",)),
    ],
)
def test_losses(fields: dict[str, Any], lost: tuple[str, ...]) -> None:
    """What can't be said, or is changed, is named."""
    assert rendered(**fields).lossy == lost


def test_the_least_limit() -> None:
    """OpenAI takes no limit below 16 tokens."""
    assert body(max_tokens=5) == {"max_output_tokens": 16}


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"n": 2}, "n"), ({"stop": ("a",)}, "stop"), ({"stop": ("a",), "family": "anthropic"}, "stop_sequences")],
)
def test_refusals(fields: dict[str, Any], param: str) -> None:
    """Without these the answer would be another one."""
    with pytest.raises(UnsupportedField) as error:
        rendered(**fields)
    assert error.value.param == param


@pytest.mark.parametrize(
    ("store", "family", "expected"),
    [(b"true", "openai", True), (b"false", "openai", False), (b"true", "google", False)],
)
def test_storing(store: bytes, family: str, expected: bool) -> None:
    """The answer is stored only if the client asked for it; Google's switch of that name is about logs."""
    made = rendered(family=family, extras={"store": Raw(store)})
    assert msgspec.json.decode(made.body)["store"] is expected


def test_a_schema_is_flat() -> None:
    """Chat's object below `json_schema` stands beside the type here."""
    wanted = OutputFormat(kind="json_schema", name="n", description="d", schema=Raw(b'{"a":1}'))
    flat = {"type": "json_schema", "name": "n", "description": "d", "schema": {"a": 1}, "strict": False}
    assert body(format=wanted) == {"text": {"format": flat}}


def test_nothing_to_say() -> None:
    """A request of empty turns is refused here, with the client's name for them."""
    with pytest.raises(InvalidField) as error:
        rendered(turns=(Turn("user", (Text(""),)),), family="google")
    assert error.value.param == "contents"


# --- instructions -----------------------------------------------------------------------------------------------------


def system(text: str, cache: CacheMark | None = None) -> Turn:
    return Turn("system", (Text(text, cache),))


def test_one_system_text_stands_apart() -> None:
    """The first and only one is `instructions`."""
    assert body(turns=(system("be kind"), HI)) == {"instructions": "be kind"}


@pytest.mark.parametrize(
    "fields",
    [
        {"turns": (system("a"), system("b"), HI)},
        {"turns": (HI, system("a"))},
        {"turns": (system("a"),)},
        {"turns": (system("a", CacheMark()), HI)},
        {"turns": (Turn("developer", (Text("a"), Text("b"))), HI)},
        {"turns": (system("say json"), HI), "format": OutputFormat(kind="json_object")},
    ],
)
def test_system_texts_in_place(fields: dict[str, Any]) -> None:
    """Several, later, marked ones, and those in which OpenAI looks for the word JSON, are items."""
    made = msgspec.json.decode(rendered(**fields).body)
    assert "instructions" not in made
    assert any(item["role"] in ("system", "developer") for item in made["input"])


# --- reasoning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "wish", "expected"),
    [
        ("gpt-5.2", Reasoning(effort="high"), {"effort": "high"}),
        ("gpt-5.2", Reasoning(effort="none"), {"effort": "none"}),
        ("gpt-5.2", Reasoning(budget=2000, mode="enabled"), {"effort": "medium", "summary": "auto"}),
        ("gpt-5.2", Reasoning(effort="low", show=True), {"effort": "low", "summary": "auto"}),
        ("gpt-5.2", Reasoning(effort="low", mode="enabled", show=False), {"effort": "low"}),
        ("gpt-5", Reasoning(show=True), {"summary": "auto"}),
        ("gpt-5", Reasoning(effort="none"), {"effort": "minimal"}),
        ("gpt-5.6", Reasoning(effort="minimal"), {"effort": "low"}),
        ("gpt-4.1", Reasoning(effort="low", show=True), None),
        ("gpt-4.1", Reasoning(show=True), None),
    ],
)
def test_reasoning(model: str, wish: Reasoning, expected: dict[str, Any] | None) -> None:
    """The effort is one that the model has, the summary for clients that show it."""
    assert body(model=model, reasoning=wish).get("reasoning") == expected


def test_budgets_of_google_do_not_show() -> None:
    """There `includeThoughts` alone shows them."""
    assert body(model="gpt-5", family="google", reasoning=Reasoning(mode="adaptive")) == {
        "include": ["reasoning.encrypted_content"]
    }


@pytest.mark.parametrize(
    ("provider", "model", "effort", "expected"),
    [
        (OPENAI, "gpt-5", None, True),
        (OPENAI, "gpt-5.2", None, False),
        (OPENAI, "gpt-5.2", "low", True),
        (OPENAI, "gpt-4.1", "low", False),
        (OTHER, "grok-4", "low", True),
        (OTHER, "any", None, False),
    ],
)
def test_encrypted_content_is_asked_for(provider: Provider, model: str, effort: Any, expected: bool) -> None:
    """Where the model reasons; others refuse the wish."""
    made = body(provider, model, reasoning=Reasoning(effort=effort) if effort else None)
    assert (made.get("include") == ["reasoning.encrypted_content"]) is expected


def test_sampling_while_reasoning() -> None:
    """A model that reasons refuses it, so it is dropped and named."""
    made = rendered(model="gpt-5", temperature=0.5, top_p=0.5, logprobs=True, top_logprobs=2)
    sent = msgspec.json.decode(made.body)
    assert {"temperature", "top_p", "top_logprobs"}.isdisjoint(sent)
    assert made.lossy == ("temperature", "top_p", "logprobs")


def test_log_probabilities() -> None:
    """They are asked for by `include`."""
    assert body(logprobs=True, top_logprobs=2) == {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    assert body(logprobs=False, top_logprobs=2) == {}


def test_tools_are_written() -> None:
    """With what goes with them."""
    made = body(tools=(Tool(name="f"),), parallel_tool_calls=False)
    assert made["parallel_tool_calls"] is False
    assert [tool["name"] for tool in made["tools"]] == ["f"]
