from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmgw_control import _checks as checks
from llmgw_control._report import Report
from llmgw_domain import Provider


@pytest.mark.parametrize("value", ["a", "anthropic-a", "A.b_c-1", "9", "x" * 64])
def test_names_that_need_no_escape_pass(value: str) -> None:
    """Ids of letters, digits, dots, underscores and dashes are accepted."""
    report = Report()
    checks.name(report, value)
    assert [] == report.reasons


@pytest.mark.parametrize("value", ["", "-a", "a b", "a\r\nb", "é", "x" * 65, "a/b", "a\n"])
def test_names_that_would_need_an_escape_are_refused(value: str) -> None:
    """An id that could break a header, a label or a path is refused."""
    report = Report()
    checks.name(report, value)
    assert 1 == len(report.reasons)


@given(st.text(max_size=60))
def test_any_text_as_base_url_is_accepted_or_refused(text: str) -> None:
    """The check of an address is total: it gives an address or exactly one reason, and never raises."""
    report = Report()
    made = checks.base_url(report, Provider.OPENAI_COMPATIBLE, text, None)
    assert (made is None) == (len(report.reasons) == 1)


@given(st.sampled_from(["https://x.example", "http://[::1]:8080", "http://localhost:1"]), st.integers(0, 3))
def test_slashes_at_the_end_are_dropped(base: str, slashes: int) -> None:
    """An address is kept without slashes at its end, since paths bring their own."""
    assert base + "/v1" == checks.base_url(Report(), Provider.OPENAI, base + "/v1" + "/" * slashes, None)


@pytest.mark.parametrize(
    "given",
    ["https://r.openai.azure.com", "https://r.openai.azure.com/openai", "https://r.openai.azure.com/openai/v1/"],
)
def test_azure_s_address_is_the_resource_s(given: str) -> None:
    """The forms that its portal and its SDKs show are one address."""
    assert "https://r.openai.azure.com" == checks.base_url(Report(), Provider.AZURE, given, None)


def test_the_default_is_taken_where_nothing_is_given() -> None:
    """An address of one's own wins; without either the account can't be reached."""
    report = Report()
    assert "https://d" == checks.base_url(report, Provider.VERTEX, None, "https://d")
    assert "https://o" == checks.base_url(report, Provider.VERTEX, "https://o", "https://d")
    assert report.reasons == []
    assert checks.base_url(report, Provider.AZURE, None, None) is None
    assert "has no address of its own" in report.reasons[0].message
