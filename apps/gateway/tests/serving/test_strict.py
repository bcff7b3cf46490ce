import pytest

from llmgw_gateway.serving.strict import head_problem

HOST = (b"host", b"g")


@pytest.mark.parametrize(
    ("version", "headers", "clear"),
    [
        ("1.1", [HOST], True),
        ("1.0", [], True),
        ("1.1", [HOST, (b"content-length", b"2")], True),
        ("1.1", [HOST, (b"transfer-encoding", b" Chunked\t")], True),
        ("1.1", [], False),
        ("1.1", [HOST, HOST], False),
        ("2.0", [HOST], False),
        ("0.9", [], False),
        ("1.0", [(b"transfer-encoding", b"chunked")], False),
        ("1.1", [HOST, (b"transfer-encoding", b"gzip")], False),
        ("1.1", [HOST, (b"transfer-encoding", b"chunked"), (b"content-length", b"0")], False),
        ("1.1", [HOST, (b"content-length", b"0"), (b"content-length", b"0")], False),
    ],
)
def test_what_a_head_says_twice_or_oddly_is_refused(version, headers, clear):
    """Its version, its length, its host; the parsers see to the rest (see `test_smuggling`)."""
    assert clear == (head_problem(version, headers) is None)
