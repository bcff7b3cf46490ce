from __future__ import annotations

from llmgw_control._report import Report
from llmgw_control.refusal import Reason


def test_reasons_of_deeper_reports_are_gathered() -> None:
    """A report and all that were made from it share one list, in the order in which reasons were added."""
    report = Report()
    report.at("accounts[0]").at("pool").add("unknown")
    report.at("keys[1]").add("twice")
    assert [Reason("accounts[0].pool", "unknown"), Reason("keys[1]", "twice")] == report.reasons
