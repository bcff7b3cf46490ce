"""The response object and what it repeats of the request."""

from typing import Any

import msgspec
import pytest
from openai.types.responses import Response

from llmgw_domain import Usage
from llmgw_protocols.dialect import EncodeContext, WireRequest
from llmgw_protocols.responses.envelope import envelope
from llmgw_protocols.responses.response import ResponseObject, mint, usage_object


def written(**request: Any) -> dict[str, Any]:
    asked = envelope(WireRequest(body=msgspec.json.encode({"model": "m", "input": "Hi", **request})))
    context = EncodeContext(model="m", request_id="r", created=7, request=asked)
    body: dict[str, Any] = msgspec.json.decode(ResponseObject(context).write("completed"))
    Response.model_validate(body)
    return body


def test_without_a_wish_it_holds_the_defaults() -> None:
    """What the SDK requires is there, and what is not known is null."""
    body = written()
    assert ([], "auto", True, None, {"format": {"type": "text"}}) == tuple(
        body[name] for name in ("tools", "tool_choice", "parallel_tool_calls", "temperature", "text")
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("instructions", "Be brief."),
        ("temperature", 0.5),
        ("top_p", 0.1),
        ("max_output_tokens", 9),
        ("metadata", {"a": "b"}),
        ("parallel_tool_calls", False),
        ("previous_response_id", "resp_1"),
        ("reasoning", {"effort": "low", "summary": "auto"}),
        ("service_tier", "flex"),
        ("store", False),
        ("text", {"format": {"type": "json_object"}}),
        ("tool_choice", {"type": "function", "name": "f"}),
        ("truncation", "auto"),
        ("user", "u"),
    ],
)
def test_a_wish_is_repeated(name: str, value: Any) -> None:
    """As the client wrote it."""
    assert value == written(**{name: value})[name]


def test_null_is_no_wish() -> None:
    """The default stands in its place."""
    assert {} == written(metadata=None)["metadata"]


def test_functions_have_all_members() -> None:
    """A response's functions need more than a request's; other tools are repeated as they are."""
    tools = [{"type": "function", "name": "f"}, {"type": "web_search"}]
    assert [{"parameters": None, "strict": None, **tools[0]}, tools[1]] == written(tools=tools)["tools"]


def test_it_is_written_without_a_request() -> None:
    """Only the repetition is missing."""
    body = msgspec.json.decode(ResponseObject(EncodeContext(model="m", request_id="r", created=7)).write("failed"))
    assert ("resp_r", "failed") == (body["id"], body["status"])


@pytest.mark.parametrize(("request_id", "expected"), [("12-ab", "12ab"), ("Req1", "Req1")])
def test_ids_are_made_of_the_requests(request_id: str, expected: str) -> None:
    """Without what OpenAI does not take back."""
    assert expected == mint(request_id)


@pytest.mark.parametrize("request_id", ["a.b", "x" * 41, "", "é"])
def test_odd_request_ids_are_hashed(request_id: str) -> None:
    """A client chooses its request's id, and OpenAI's are short."""
    assert 32 == len(mint(request_id))
    assert mint(request_id).isalnum()


def test_counts_without_writes_have_no_details_of_them() -> None:
    """There is nothing to tell apart."""
    assert {"cached_tokens": 1, "cache_write_tokens": 0} == usage_object(Usage(cache_read=1))["input_tokens_details"]


def test_unknown_reasoning_counts_as_none() -> None:
    """The field has no null."""
    assert {"reasoning_tokens": 0} == usage_object(Usage(output=3))["output_tokens_details"]
