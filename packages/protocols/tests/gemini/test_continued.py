"""The token of an answer that is over its cap."""

import pytest

from llmgw_protocols.gemini.continued import ContinuedAnswer

ASKED = b'{"contents":[1.0]}'
ENDED = b'{"candidates":[{"finishReason":"CONTINUATION","continuationToken":"t\\u00fc"}]}'
NEXT = '{"contents":[1.0],"continuationToken":"tü"}'.encode()


@pytest.mark.parametrize("raw", [b"data: " + ENDED + b"\n\n", b"data: " + ENDED, ENDED, b"[" + ENDED + b"]"])
def test_a_streams_token_is_found(raw: bytes) -> None:
    """In an event, in a last one without its delimiter, and in bare JSON."""
    answer = ContinuedAnswer()
    answer.see(b'data: {"candidates":[{"content":{}}]}\n\n')
    answer.see(raw)
    assert NEXT == answer.body(ASKED)


def test_a_bodys_token_is_found_and_used_once() -> None:
    """The next go has one of its own, or none."""
    answer = ContinuedAnswer()
    answer.whole(ENDED)
    assert NEXT == answer.body(ASKED)
    assert answer.body(ASKED) is None
    answer.whole(b"[" + ENDED.replace(b"t\\u00fc", b"u") + b"]")
    assert b'{"contents":[1.0],"continuationToken":"u"}' == answer.body(ASKED)


@pytest.mark.parametrize(
    "body",
    [
        b'{"candidates":[{},{"continuationToken":"t"}]}',
        b'{"candidates":[null],"x":"continuationToken"}',
        b'{"candidates":[{"continuationToken":""}]}',
        b'{"candidates":[{"continuationToken":7}]}',
        b'{"continuationToken":"t"}',
        b'{"continuationToken"',
        b"{}",
    ],
)
def test_without_a_usable_token_there_is_no_next_request(body: bytes) -> None:
    """Several candidates have no common continuation."""
    answer = ContinuedAnswer()
    answer.whole(body)
    answer.see(b"data: " + body + b"\n\n")
    assert answer.body(ASKED) is None
