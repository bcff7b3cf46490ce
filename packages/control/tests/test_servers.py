"""The rules that the facts about a server keep."""

from typing import Any

import pytest

from llmgw_control import server_problems
from llmgw_domain.servers import Server, Variant


def problems(**facts: Any) -> list[str]:
    return [str(reason) for reason in server_problems(Server(**{"name": "s", **facts}))]


def test_facts_that_are_right() -> None:
    """A name is enough; everything else is a choice."""
    assert [] == problems()
    assert [] == problems(
        base_url="https://s/v1",
        credential_header="x-api-key",
        headers={"x-title": "gateway"},
        rate_windows={"requests": 86400.0},
        variants=(Variant(models=("a*b*",)),),
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"name": "a b"}, "name: must be 1 to 64 letters"),
        ({"base_url": "ftp://s"}, "base_url: must start with http:// or https://"),
        ({"credential_header": "X-Key"}, "credential_header: must be a header's name in small letters, not 'X-Key'"),
        ({"credential_header": "host"}, "credential_header: 'host' is set by the transport"),
        ({"headers": {"authorization": "Bearer sk"}}, "headers.authorization: a credential belongs into the account"),
        ({"headers": {"x-a": "b\n"}}, "headers.x-a: must be a text of visible ASCII characters"),
        ({"headers": {"x-a": ""}}, "headers.x-a: must be a text of visible ASCII characters"),
        ({"headers": {"content-length": "1"}}, "headers.content-length: 'content-length' is set by the transport"),
        (
            {"rate_windows": {"images": 1.0}},
            "rate_windows.images: there is no such kind of limit; there are 'requests'",
        ),
        ({"rate_windows": {"tokens": 0.0}}, "rate_windows.tokens: must be a number of seconds above 0, not 0.0"),
        ({"rate_windows": {"tokens": float("nan")}}, "rate_windows.tokens: must be a number of seconds above 0"),
        ({"variants": (Variant(models=()),)}, "variants[0].models: none: say which models it is for"),
        ({"variants": (Variant(models=("a b",)),)}, "variants[0].models[0]: must be 1 to 200 visible ASCII"),
    ],
)
def test_facts_that_are_wrong(facts: dict[str, Any], expected: str) -> None:
    """Each is told by its path."""
    (found,) = problems(**facts)
    assert expected == found[: len(expected)]


def test_a_secret_in_the_wrong_place_is_not_quoted() -> None:
    """The message says where it belongs."""
    assert "sk-very" not in problems(headers={"authorization": "sk-very-secret"})[0]
