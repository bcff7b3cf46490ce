from llmgw_domain import Usage
from llmgw_domain.errors import UpstreamFailed
from llmgw_domain.stream import Failed, Finished, FinishReason, Opened, TextDelta, ToolDelta, ToolOpened, UsageReported
from llmgw_relay.meter import Meter


def metered(*events) -> Meter:
    meter = Meter()
    meter.see(events)
    return meter


def test_reported_usage_of_a_complete_answer_stands():
    """What the provider reported is never altered."""
    usage = Usage(uncached_input=5, output=1)
    meter = metered(TextDelta("a" * 400), UsageReported(usage))
    assert meter.settled_usage(complete=True, request_bytes=10) == usage


def test_a_cut_answer_is_estimated_from_what_passed():
    """Without a final count the output is at least what was generated, and marked as an estimate."""
    meter = metered(UsageReported(Usage(uncached_input=50, output=1)), TextDelta("a" * 41))
    usage = meter.settled_usage(complete=False, request_bytes=10)
    assert (usage.uncached_input, usage.output, usage.provenance) == (50, 11, "estimated")


def test_a_provider_that_reports_nothing_is_estimated():
    """A complete answer without usage is estimated from the sizes of request and answer."""
    meter = metered(ToolOpened(0, "c", "f"), ToolDelta(0, '{"a":1}'), Finished(FinishReason.STOP))
    usage = meter.settled_usage(complete=True, request_bytes=400)
    assert (usage.input, usage.output, usage.provenance) == (100, 2, "estimated")


def test_a_request_that_was_not_heard_out_is_estimated_too():
    """A provider that was asked and had not answered yet has read the request at least."""
    usage = metered(Opened("id")).settled_usage(complete=False, request_bytes=400)
    assert (usage.input, usage.output, usage.provenance) == (100, 0, "estimated")


def test_choices_finish_and_failures_are_kept():
    """Different finish reasons of several choices are listed once each; the first failure counts."""
    first, second = Failed(UpstreamFailed("1")), Failed(UpstreamFailed("2"))
    stop, length = Finished(FinishReason.STOP), Finished(FinishReason.LENGTH, 1)
    meter = metered(stop, length, Finished(FinishReason.STOP, 2), first, second)
    assert (meter.finish, meter.failure) == ("stop,length", first)
    assert meter.semantic
