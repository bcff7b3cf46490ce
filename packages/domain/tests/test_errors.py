import re
from pathlib import Path

import pytest

from llmgw_domain import errors

TREE = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.GatewayError)]


@pytest.mark.parametrize("error", TREE, ids=lambda e: e.__name__)
def test_every_error_is_documented_and_stable(error):
    """Each class has a message of its own, an HTTP status, and names in snake_case."""
    raised = error()
    assert raised.message == error.__doc__.split("\n\n")[0].strip()
    assert 400 <= raised.status < 600
    assert re.fullmatch(r"[a-z_]+", raised.type)
    assert re.fullmatch(r"[a-z_]+", raised.code)


def test_what_is_the_requests_fault_is_not_retried():
    """No error that blames the request can be cured by another account, but for two.

    A conflict passes, and a model that one account has not may be another's.
    """
    assert {e.__name__ for e in TREE if e.blame == "request" and e.retryable} == {
        "Conflict",
        "ModelRefused",
    }


def test_the_repr_tells_what_happened():
    """An error prints its code, statuses and message."""
    error = errors.UpstreamReset("gone", upstream_status=502)
    assert repr(error) == "<UpstreamReset upstream_reset 502 upstream=502: gone>"


PAGE = Path(__file__).resolve().parents[3] / "docs" / "errors.md"


@pytest.mark.parametrize("error", TREE, ids=lambda e: e.__name__)
def test_every_error_is_on_the_page_for_users(error):
    """`docs/errors.md` lists each status, type and code, and whether the call is tried elsewhere."""
    row = f"| {error.status} | `{error.type}` | `{error.code}` | {'yes' if error.retryable else 'no'} | "
    assert row in PAGE.read_text()
