import pytest

from llmgw_domain import errors
from llmgw_relay.books import header_text, retry_headers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpt-5", b"gpt-5"),
        ("a\r\nx-evil: 1", b"a\\r\\nx-evil: 1"),
        ("Zürich/模型", b"Z\\xfcrich/\\u6a21\\u578b"),
        ("\x00\x7f", b"\\x00\\x7f"),
        ("m" * 5000, b"m" * 1024),
    ],
)
def test_header_values_are_one_line_of_ascii(text, expected):
    """A model's name comes from the client, so nothing in it can end a header or grow it without bound."""
    assert header_text(text) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.RateLimited(retry_after=2.1), {b"retry-after": b"3"}),
        (errors.RateLimited(), {b"retry-after": b"1"}),
        (errors.NoAccount(retry_after=10_000), {b"retry-after": b"120"}),
        (errors.QuotaExhausted(), {b"retry-after": b"1", b"x-should-retry": b"false"}),
        (errors.BadRequest(), {b"x-should-retry": b"false"}),
        (errors.UpstreamReset(), {}),
    ],
)
def test_clients_are_told_when_to_come_back(error, expected):
    """`retry-after` on 429 and 503, between 1 and 120 seconds; the SDKs' switch where a repeat cannot help."""
    assert dict(retry_headers(error)) == expected
