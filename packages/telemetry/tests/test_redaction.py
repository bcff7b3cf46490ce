import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_telemetry.redaction import redact, redact_fields, redact_known


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sent Bearer abc.def-123=", "sent Bearer ***"),
        ("authorization: bearer abcdef123", "authorization: bearer ***"),
        ("Authorization: abcdef", "Authorization: ***"),
        ("bad key sk-proj-Abc_123-xyz789.", "bad key sk-***."),
        ("sk-ant-api03-abcdefghijk and sk_live_12345678", "sk-*** and sk_***"),
        ("AIzaSyA-1234567890abcdefgh", "AIza***"),
        ("gw-0123456789abcdef0123456789abcdef", "gw-***"),
        ("gw_0123456789abcdef0123456789abcdef", "gw_***"),
        ("gsk_0123456789abcdef0123 xai-0123456789abcdef0123", "gsk_*** xai-***"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIA***"),
        ("x-api-key: hunter2", "x-api-key: ***"),
        ("{'x-goog-api-key': 'hunter2', 'a': 1}", "{'x-goog-api-key': '***', 'a': 1}"),
        ('{"api_key":"hunter2"}', '{"api_key":"***"}'),
        ("GET /v1beta/models?key=hunter2&alt=sse", "GET /v1beta/models?key=***&alt=sse"),
        ("postgresql://gw:hunter2@db/x", "postgresql://gw:***@db/x"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0xyz.sig", "***"),
    ],
)
def test_what_looks_like_a_credential_is_masked(text, expected):
    """Each shape is masked, and what says its kind is left for the reader."""
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "skipped a task-list of desk-top risk-assessment",
        "key default not found; primary key: id",
        "claude-sonnet-4-5 -> gpt-5-mini",
        "http://127.0.0.1:8080/v1/chat",
        "0190a6c1-7f3e-7abc-8def-000000000000",
        "OpenAI/Python 2.1.0",
        "gateway_requests_total",
        "the secret of success",
    ],
)
def test_ordinary_words_stay(text):
    """Words, names, ids and addresses are left alone."""
    assert redact(text) == text


def test_fields_are_masked_by_name_and_by_shape_at_any_depth():
    """A field that names a credential loses its value; others lose what looks like one; numbers stay."""
    fields = {
        "password": "x",
        "n": 1,
        "list": ["sk-12345678", None],
        "deep": {"API-Key": "y", "ok": "z"},
        "o": ValueError("sk-12345678"),
    }
    assert redact_fields(fields) == {
        "password": "***",
        "n": 1,
        "list": ["sk-***", None],
        "deep": {"API-Key": "***", "ok": "z"},
        "o": "sk-***",
    }


@given(st.text())
def test_redaction_is_stable_and_encodable(text):
    """Redacting twice changes nothing more, the remembered form agrees, and the result can always be encoded."""
    once = redact(text)
    assert redact(once) == once
    assert redact_known(text) == once
    once.encode()
