"""What a server's flags change of a request's top level."""

from typing import Any

import pytest

from llmgw_domain.errors import UnsupportedField
from llmgw_domain.servers import Server
from llmgw_protocols.chat.servers import passed, suited
from llmgw_protocols.losses import Losses


def rendered(body: dict[str, Any], **flags: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    losses = Losses("openai")
    return suited(body, Server(name="s", **flags), losses), losses.names()


def test_refused_fields_are_left_out_and_told() -> None:
    """What changes nothing in the answer goes without a word, and so does a single choice."""
    body = {"model": "m", "logprobs": True, "user": "u", "n": 1}
    assert ({"model": "m"}, ("logprobs",)) == rendered(body, refuses=("logprobs", "user", "n", "stop"))


@pytest.mark.parametrize(("name", "value"), [("n", 2), ("tools", [{}])])
def test_what_the_answer_depends_on_is_refused(name: str, value: Any) -> None:
    """No answer at all is better than another one."""
    with pytest.raises(UnsupportedField, match=f"'{name}'"):
        rendered({name: value}, refuses=("n", "tools"))


def test_renamed_fields() -> None:
    """A field goes under the server's own name, and `required` in its own word."""
    body = {"seed": 1, "tool_choice": "required"}
    assert ({"random_seed": 1, "tool_choice": "any"}, ()) == rendered(
        body, renames={"seed": "random_seed"}, required_choice="any"
    )


@pytest.mark.parametrize(
    ("fields", "flags", "expected"),
    [
        ({"stream_options": b"{}"}, {"stream_options": False}, {}),
        ({"max_completion_tokens": b"5"}, {}, {"max_tokens": b"5"}),
        ({"max_tokens": b"5"}, {"output_limit": "max_completion_tokens"}, {"max_completion_tokens": b"5"}),
        ({"max_completion_tokens": b"5", "max_tokens": b"6"}, {}, {"max_tokens": b"6"}),
        ({"tool_choice": b'"required"'}, {"required_choice": "any"}, {"tool_choice": b'"any"'}),
        ({"tool_choice": b'"auto"'}, {"required_choice": "any"}, {"tool_choice": b'"auto"'}),
        ({"logprobs": b"true"}, {"refuses": ("logprobs",)}, {"logprobs": b"true"}),
        (
            {"messages": b'[{"role":"developer","content":"d","x":1.5},{"role": "user","content":"\\"developer\\""}]'},
            {},
            {"messages": b'[{"role":"system","content":"d","x":1.5},{"role": "user","content":"\\"developer\\""}]'},
        ),
        (
            {"messages": b'[{"role":"developer","content":"d"}]'},
            {"developer_role": True},
            {"messages": b'[{"role":"developer","content":"d"}]'},
        ),
        (
            {"messages": b'[{"role": "user", "content": "developer"}]'},
            {},
            {"messages": b'[{"role": "user", "content": "developer"}]'},
        ),
    ],
)
def test_what_passes_through(fields: dict[str, bytes], flags: dict[str, Any], expected: dict[str, bytes]) -> None:
    """Only what the SDK sends to everybody is changed; what else a server refuses is its own to say."""
    assert expected == passed(fields, Server(name="s", **flags))
