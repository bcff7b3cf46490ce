"""Objects of an answer are read even where their types or their JSON are a little wrong."""

import pytest

from llmgw_protocols.chat import chunks


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"choices":[{"delta":{"content":"x"}}]}', "x"),
        (b'{"choices":[{"index":"0","delta":{"content":"x"}}],"created":1.5}', "x"),
        (b'{"choices":[{"index":[],"delta":{"content":"x","reasoning":7}}],"usage":"none"}', "x"),
        (b'{"choices":[{"logprobs":NaN,"x":[-Infinity],"delta":{"content":"NaN \\" Infinity"}}]}', 'NaN " Infinity'),
        (b'{"choices":[{"delta":{"content":"a\\ud83db"}}]}', "a\ufffdb"),
        (b'{"choices":[{"delta":{"content":"\\ude00 \\ud83d\\ude00"}}]}', "\ufffd \U0001f600"),
        (b'{"choices":[{"delta":{"content":"\\\\ud83d"}}]}', "\\ud83d"),
        (b'{"choices":[{"delta":{"content":"\xff"}}]}', "\ufffd"),
        (b'{"choices":[{"delta":{"content":"x","annotations":[{"url_citation":4}]}}]}', "x"),
    ],
)
def test_small_faults_are_mended(data: bytes, expected: str) -> None:
    """The text arrives although something beside it is wrong."""
    chunk = chunks.read(data)
    assert chunk.choices is not None
    assert chunk.choices[0].delta is not None
    assert expected == chunk.choices[0].delta.content


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"[]",
        b'"x"',
        b'{"choices":{}}',
        b'{"choices":[{"delta":{"content":7}}]}',
        b'{"choices":[{"delta":{"tool_calls":"x"}}]}',
        b'{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":7}}]}}]}',
        b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"choices":[NaN',
    ],
)
def test_the_answer_itself_is_never_dropped(data: bytes) -> None:
    """A member that carries the answer is not taken out to make the rest fit."""
    with pytest.raises(chunks.NotUnderstood):
        chunks.read(data)
